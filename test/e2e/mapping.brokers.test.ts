import { describeWithBrokers } from '../support/servers';
import { mappingSuite } from './suites/mapping.suite';

describeWithBrokers('over Kafka and Redis', ({ streams }) => mappingSuite('mapping', () => streams));
