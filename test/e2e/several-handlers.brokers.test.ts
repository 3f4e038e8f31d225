import { describeWithBrokers } from '../support/servers';
import { severalHandlersSuite } from './suites/several-handlers.suite';

describeWithBrokers('over Kafka and Redis', ({ streams }) => severalHandlersSuite('several handlers', () => streams));
