import { describeWithBrokers } from '../support/servers';
import { lifecycleSuite } from './suites/lifecycle.suite';

describeWithBrokers('lifecycle hooks', ({ streams }) => lifecycleSuite('over Kafka and Redis', () => streams));
