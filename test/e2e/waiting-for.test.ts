import { Controller } from '@nestjs/common';
import { MessagePattern } from '@nestjs/microservices';
import { lastValueFrom } from 'rxjs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { StreambackClient, StreambackRecord, StreambackTimeoutError, type WaitingFor } from '../../lib';
import { eventually } from '../support/eventually';
import { freshName } from '../support/fresh-name';
import { startKafka, type KafkaServer } from '../support/kafka';
import { describeWith } from '../support/servers';
import { startService, type NestService } from '../fault/nest-app';

@Controller()
class SlowController {
  @MessagePattern('silent')
  silent(): Promise<never> {
    return new Promise(() => {});
  }

  @MessagePattern('once')
  async *once(): AsyncGenerator<number> {
    yield 1;
    await new Promise(() => {});
  }
}

describeWith(['own-kafka', 'redis'], 'what a request waited for when its time was up', ({ redisUrl }) => {
  const prefix = freshName('waiting').replace('.', '-');
  let kafka: KafkaServer;
  let service: NestService;
  let client: StreambackClient;
  beforeAll(async () => {
    kafka = await startKafka({ proxied: true });
    const options = { topicsPrefix: prefix, streams: `main=${kafka.url}&feedback=${redisUrl}`, drainTimeoutMs: 0 };
    service = await startService({ group: 'waiting', ...options }, SlowController);
    client = new StreambackClient({ group: 'reader', ...options });
    await kafka.withAdmin((admin) =>
      admin.createTopics({ topics: [{ topic: `${prefix}.nobody`, numPartitions: 1 }], waitForLeaders: false }),
    );
    await eventually('both topics are known', () => lastValueFrom(client.emit('nobody', 1)).then(() => true));
  }, 120_000);
  afterAll(async () => {
    await client.close();
    await service.close();
    await kafka.stop();
  });

  it.each<[WaitingFor, string, string]>([
    ['consumer', 'nobody', 'a consumer to take the request'],
    ['first-answer', 'silent', 'the first answer'],
    ['next-answer', 'once', 'the next answer'],
    ['broker', 'nobody', 'the broker to acknowledge the request'],
  ])('the %s', async (waitingFor, pattern, text) => {
    if (waitingFor === 'broker') kafka.nodes[0]!.proxy!.refuse();
    for (const [options, code] of [
      [{ timeoutMs: 1_000 }, 'DEADLINE_EXCEEDED'],
      [{ idleTimeoutMs: 1_000 }, 'IDLE_TIMEOUT'],
    ] as const) {
      const startedAt = performance.now();
      const failure: unknown = await lastValueFrom(client.send(pattern, new StreambackRecord(1, options))).catch((error: unknown) => error);
      expect(failure).toBeInstanceOf(StreambackTimeoutError);
      expect(failure).toMatchObject({ code, waitingFor, message: expect.stringMatching(new RegExp(`^'${pattern}' .*for ${text}$`)) });
      expect(performance.now() - startedAt).toBeLessThan(3_000);
    }
    if (waitingFor === 'broker') kafka.nodes[0]!.proxy!.resume();
  });
});
