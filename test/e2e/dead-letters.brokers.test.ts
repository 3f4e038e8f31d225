import { openStream } from '../fault/kafka-load';
import { describeWithBrokers } from '../support/servers';
import { deadLettersSuite } from './suites/dead-letters.suite';

describeWithBrokers('over Kafka and Redis', ({ streams, kafkaUrl }) => {
  deadLettersSuite(
    'dead letters',
    () => streams,
    () => openStream(kafkaUrl),
  );
});
