import { describeWithBrokers } from '../support/servers';
import { remoteSuite } from './suites/remote.suite';

describeWithBrokers('over Kafka and Redis', ({ streams }) => remoteSuite('remote methods', () => streams, { tellsAbsence: true }));
