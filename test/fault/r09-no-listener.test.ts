import { Controller } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { Kafka, logLevel } from 'kafkajs';
import { lastValueFrom } from 'rxjs';
import { afterEach, expect, it } from 'vitest';
import { StreambackClient, StreambackConnectionError, StreambackLaneError, type MainStream } from '../../lib';
import { eventually } from '../support/eventually';
import { freshName } from '../support/fresh-name';
import { describeWithBrokers } from '../support/servers';
import { openStream } from './kafka-load';
import { FULL_SIZE, startService } from './nest-app';

const REQUESTS = FULL_SIZE ? 100 : 10;
/** The short wait for a topic, in ms. */
const TOPIC_WAIT_MS = 2_000;

@Controller()
class HeardController {
  @MessagePattern('heard')
  heard(@Payload() id: number): number {
    return id;
  }
}

/** A main stream of one's own: Kafka's, that subscribes to one more topic. */
function wider(main: MainStream, topic: string): MainStream {
  return new Proxy(main, {
    get(target, name) {
      if (name === 'subscribe') {
        const subscribe: MainStream['subscribe'] = (options) => target.subscribe({ ...options, topics: [...options.topics, topic] });
        return subscribe;
      }
      const member: unknown = Reflect.get(target, name, target);
      return typeof member === 'function' ? (member.bind(target) as unknown) : member;
    },
  });
}

interface Failure {
  readonly error: unknown;
  readonly tookMs: number;
}

describeWithBrokers('R9 requests that nobody takes', ({ kafkaUrl, redisUrl, streams }) => {
  const closers: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const close of closers.splice(0).toReversed()) await close();
  });

  async function failureOf(client: StreambackClient, pattern: string, id: number): Promise<Failure> {
    const startedAt = performance.now();
    const error: unknown = await lastValueFrom(client.send(pattern, id)).catch((failure: unknown) => failure);
    return { error, tookMs: performance.now() - startedAt };
  }
  const codesOf = (failures: readonly Failure[]) => [...new Set(failures.map(({ error }) => (error as { code?: string }).code))];
  const slowest = (failures: readonly Failure[]) => Math.round(Math.max(...failures.map(({ tookMs }) => tookMs)));

  it(`${REQUESTS} requests and events that reach a process without a handler: told within 1 s, and nothing lost`, async () => {
    const group = freshName('unheard').replace('.', '-');
    const main = wider(openStream(kafkaUrl, { partitions: 2 }), `${group}.unheard`);
    const service = await startService({ group, topicsPrefix: group, streams: { main, feedback: redisUrl } }, HeardController);
    const client = new StreambackClient({ group: 'reader', topicsPrefix: group, streams });
    closers.push(
      () => service.close(),
      () => client.close(),
    );
    expect(await lastValueFrom(client.send('heard', 7))).toBe(7);
    const failures = await Promise.all(Array.from({ length: REQUESTS }, (_each, id) => failureOf(client, 'unheard', id)));
    await Promise.all(Array.from({ length: REQUESTS }, (_each, id) => lastValueFrom(client.emit('unheard', id))));
    const letters = new Map<number, string>();
    const consumer = new Kafka({ brokers: [new URL(kafkaUrl).host], logLevel: logLevel.NOTHING }).consumer({ groupId: freshName('dlt') });
    closers.push(() => consumer.disconnect());
    await eventually('the dead-letter topic', async () => {
      await consumer.connect();
      await consumer.subscribe({ topic: `${group}.unheard.dlt`, fromBeginning: true });
      return true;
    });
    await consumer.run({
      eachMessage: async ({ message }) => {
        const { value } = JSON.parse(message.value!.toString()) as { value: number };
        letters.set(value, String(message.headers!['streamback-code']));
      },
    });
    await eventually('all dead letters', () => letters.size === REQUESTS, { timeoutMs: 20_000 });
    await eventually('all settled', async () => {
      const lag = await main.lag!(group, [`${group}.unheard`]);
      return lag.get(`${group}.unheard`) === 0;
    });
    console.log(
      `R9: ${REQUESTS} requests without a handler, told ${codesOf(failures).join()}, the slowest after ${slowest(failures)} ms; ` +
        `${REQUESTS} events, ${letters.size} dead letters (${[...new Set(letters.values())].join()})`,
    );
    expect(codesOf(failures)).toEqual(['NO_LISTENER']);
    expect(failures.every(({ error }) => error instanceof StreambackLaneError)).toBe(true);
    expect(slowest(failures)).toBeLessThanOrEqual(1_000);
    expect([...new Set(letters.values())]).toEqual(['NO_LISTENER']);
    expect(await lastValueFrom(client.send('heard', 8))).toBe(8);
  });

  it(`${REQUESTS} requests to a topic that does not exist: UNKNOWN_TOPIC after the short wait`, async () => {
    const client = new StreambackClient({ group: 'reader', topicsPrefix: freshName('nowhere'), streams });
    closers.push(() => client.close());
    await client.connect();
    const failures = await Promise.all(Array.from({ length: REQUESTS }, (_each, id) => failureOf(client, `nowhere.${id % 5}`, id)));
    console.log(`R9: ${REQUESTS} requests to topics that do not exist, ${codesOf(failures).join()} after ${slowest(failures)} ms at most`);
    expect(codesOf(failures)).toEqual(['UNKNOWN_TOPIC']);
    expect(failures.every(({ error }) => error instanceof StreambackConnectionError)).toBe(true);
    expect(Math.min(...failures.map(({ tookMs }) => tookMs))).toBeGreaterThan(TOPIC_WAIT_MS / 2);
    expect(slowest(failures)).toBeLessThanOrEqual(TOPIC_WAIT_MS + 1_000);
  });
});
