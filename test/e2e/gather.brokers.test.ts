import { describeWithBrokers } from '../support/servers';
import { gatherSuite } from './suites/gather.suite';

describeWithBrokers('over Kafka and Redis', ({ streams }) => gatherSuite('gather', () => streams));
