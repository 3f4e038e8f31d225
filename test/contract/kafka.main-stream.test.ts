import { describe, it } from 'vitest';
import { SILENT_LOGGER } from '../../lib/common/logger';
import { KafkaMainStream } from '../../lib/streams/kafka/kafka.main-stream';
import { parseStreamUrl } from '../../lib/streams/streams-url';
import { testMainStream } from '../../lib/testing/main-stream.contract';
import { freshName } from '../support/fresh-name';
import { describeWith } from '../support/servers';

describeWith(['kafka'], 'contract', ({ kafkaUrl }) => {
  const open = () =>
    new KafkaMainStream({
      url: parseStreamUrl(kafkaUrl),
      options: { partitions: 3, commitIntervalMs: 200 },
      publishTimeoutMs: 20_000,
      logger: SILENT_LOGGER,
    });
  testMainStream({
    name: 'kafka',
    runner: { describe, it },
    create: () => Promise.resolve({ stream: open(), another: open, topic: () => freshName('contract') }),
  });
});
