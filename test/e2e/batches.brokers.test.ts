import { describeWithBrokers } from '../support/servers';
import { batchesSuite } from './suites/batches.suite';

describeWithBrokers('over Kafka and Redis', ({ streams }) => batchesSuite('batches', () => streams));
