import { Controller, type Type } from '@nestjs/common';
import { Ctx, MessagePattern, Payload } from '@nestjs/microservices';
import { Kafka, logLevel, Partitioners, type Producer } from 'kafkajs';
import { afterEach, expect, it } from 'vitest';
import { listener, StreambackClient, StreambackContext, StreambackRecord, type MainStream, type StreambackOptions } from '../../lib';
import { eventually } from '../support/eventually';
import { freshName } from '../support/fresh-name';
import { describeWithBrokers } from '../support/servers';
import { openStream } from './kafka-load';
import { FULL_SIZE, startService } from './nest-app';

const REQUESTS = FULL_SIZE ? 1_000 : 50;
const ANSWERS = 30;

interface Attempt {
  readonly service: string;
  readonly rank: number;
  readonly attempt: number;
}
interface Answer extends Attempt {
  readonly id: number;
  readonly n: number;
}

/** What a reader has of one request; it starts over where it is told of a restart. */
interface Reading {
  answers: Answer[];
  restarts: number;
  /** Answers of another attempt than those before, of another request, or out of order. */
  mixed: number;
  end?: string;
}

/** The handlers' runs, by the id in the payload. */
const runs = new Map<number, Attempt[]>();
/** Handlers pause so long after each answer, in ms. */
let everyMs = 1;

function serviceNamed(service: string): Type<unknown> {
  @Controller()
  class CountingController {
    @MessagePattern('count', listener({ concurrency: 2_000 }))
    async *count(@Payload() id: number, @Ctx() context: StreambackContext): AsyncGenerator<Answer> {
      const attempt: Attempt = { service, rank: context.getMessage().rank, attempt: context.getAttempt() };
      runs.set(id, [...(runs.get(id) ?? []), attempt]);
      for (let n = 0; n < ANSWERS && !context.signal.aborted; n++) {
        yield { ...attempt, id, n };
        await new Promise((resolve) => setTimeout(resolve, everyMs));
      }
    }
  }
  return CountingController;
}

/** Kafka's main stream, but that each request is written twice, the same bytes, by kafkajs itself. */
function twice(main: MainStream, producer: Producer, partitions: readonly [number, number]): MainStream {
  return new Proxy(main, {
    get(target, name) {
      if (name === 'publish') {
        const publish: MainStream['publish'] = async ({ topic, key, value }) => {
          const messages = partitions.map((partition) => ({ key, value, partition }));
          await producer.send({ topic, messages });
        };
        return publish;
      }
      const member: unknown = Reflect.get(target, name, target);
      return typeof member === 'function' ? (member.bind(target) as unknown) : member;
    },
  });
}

describeWithBrokers('R18 a request that is delivered twice', ({ kafkaUrl, redisUrl }) => {
  const closers: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const close of closers.splice(0).toReversed()) await close();
    runs.clear();
  });

  async function setup(partitions: readonly [number, number] | undefined) {
    const group = freshName('twice').replace('.', '-');
    const service = async (name: string, options: Partial<StreambackOptions> = {}) => {
      const started = await startService(
        {
          group,
          topicsPrefix: group,
          streams: `main=${kafkaUrl}&feedback=${redisUrl}`,
          maxInFlight: 3_000,
          drainTimeoutMs: 200,
          kafka: { partitions: 2 },
          ...options,
        },
        serviceNamed(name),
      );
      let closing: Promise<void> | undefined;
      const close = () => (closing ??= started.close());
      closers.push(close);
      return { close };
    };
    const producer = new Kafka({ brokers: [new URL(kafkaUrl).host], logLevel: logLevel.NOTHING }).producer({
      createPartitioner: Partitioners.DefaultPartitioner,
    });
    await producer.connect();
    closers.push(() => producer.disconnect());
    const main = openStream(kafkaUrl);
    const client = new StreambackClient({
      group: 'reader',
      topicsPrefix: group,
      streams: { main: partitions ? twice(main, producer, partitions) : main, feedback: redisUrl },
    });
    closers.push(() => client.close());
    return { group, service, client, main };
  }

  function readAll(client: StreambackClient, asksForRestart: (id: number) => boolean): Reading[] {
    return Array.from({ length: REQUESTS }, (_each, id) => {
      const reading: Reading = { answers: [], restarts: 0, mixed: 0 };
      const onRestart = (): void => {
        reading.restarts += 1;
        reading.answers = [];
      };
      client.send<Answer>('count', new StreambackRecord(id, { key: String(id), ...(asksForRestart(id) && { onRestart }) })).subscribe({
        next: (answer) => {
          const first = reading.answers[0] ?? answer;
          const same = answer.service === first.service && answer.rank === first.rank && answer.attempt === first.attempt;
          if (!same || answer.id !== id || answer.n !== reading.answers.length) reading.mixed += 1;
          reading.answers.push(answer);
        },
        error: (error: { code?: string }) => (reading.end = error.code ?? 'an error without a code'),
        complete: () => (reading.end = 'complete'),
      });
      return reading;
    });
  }
  const allEnded = (readings: readonly Reading[]) =>
    eventually('all have ended', () => readings.every(({ end }) => end !== undefined), { timeoutMs: 90_000 });
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
  const mixedOf = (readings: readonly Reading[]) => sum(readings.map(({ mixed }) => mixed));
  const wholeOf = (readings: readonly Reading[]) => readings.filter(({ answers, end }) => end === 'complete' && answers.length === ANSWERS);

  it(`${REQUESTS} to one consumer: each runs once`, { timeout: 180_000 }, async () => {
    everyMs = 1;
    const { service, client, main, group } = await setup([0, 0]);
    await service('one');
    const readings = readAll(client, () => false);
    await allEnded(readings);
    await eventually('both copies are settled', async () => (await main.lag!(group, [`${group}.count`])).get(`${group}.count`) === 0, {
      timeoutMs: 20_000,
    });
    const ran = sum([...runs.values()].map(({ length }) => length));
    console.log(
      `R18: ${REQUESTS} requests written twice to one consumer: ${ran} runs, ${wholeOf(readings).length} whole, ${mixedOf(readings)} mixed`,
    );
    expect([ran, wholeOf(readings).length, mixedOf(readings)]).toEqual([REQUESTS, REQUESTS, 0]);
  });

  it(`${REQUESTS} to two consumers at once: a lane has the answers of one`, { timeout: 180_000 }, async () => {
    everyMs = 5;
    const { service, client } = await setup([0, 1]);
    await service('one');
    await service('two');
    const readings = readAll(client, () => true);
    await allEnded(readings);
    await eventually('both copies have run', () => [...runs.values()].every(({ length }) => length === 2));
    const from = (name: string) => readings.filter(({ answers }) => answers[0]?.service === name).length;
    const restarts = sum(readings.map((reading) => reading.restarts));
    console.log(
      `R18: ${REQUESTS} requests written once for each of two consumers: ${sum([...runs.values()].map(({ length }) => length))} runs, ` +
        `${wholeOf(readings).length} whole (${from('one')} from one, ${from('two')} from the other), ${restarts} restarts, ${mixedOf(readings)} mixed`,
    );
    // A group that has not settled yet gives one copy the higher rank: then the lane begins anew with it.
    expect([wholeOf(readings).length, mixedOf(readings)]).toEqual([REQUESTS, 0]);
  });

  it(
    `${REQUESTS} across rebalances: the second rank is higher, its try is seen, and no lane has answers of both`,
    { timeout: 180_000 },
    async () => {
      everyMs = 150;
      const { service, client } = await setup(undefined);
      await service('one');
      const readings = readAll(client, (id) => id % 4 !== 0);
      await eventually('all are read', () => readings.every(({ answers }) => answers.length > 0), { timeoutMs: 30_000 });
      // A second member takes a partition, and gives it back in the middle of what it has begun anew.
      const second = await service('two');
      await eventually('the second one runs some', () => [...runs.values()].some((of) => of.some((run) => run.service === 'two')), {
        timeoutMs: 30_000,
      });
      await second.close();
      await allEnded(readings);
      const again = [...runs.values()].filter(({ length }) => length > 1);
      const rising = again.filter((of) => of.every((run, index) => index === 0 || run.rank > of[index - 1]!.rank));
      const back = again.filter((of) => of.filter(({ service: name }) => name === 'one').length > 1);
      const seen = back.filter((of) => of.filter(({ service: name }) => name === 'one').at(-1)!.attempt > 1);
      const restarted = readings.filter(({ end }) => end === 'RESTARTED').length;
      console.log(
        `R18: ${REQUESTS} requests across two rebalances: ${again.length} ran again, ${rising.length} with a higher rank each time, ${back.length} in the same process again, ` +
          `${seen.length} of these see a further try; ${wholeOf(readings).length} whole, ${sum(readings.map(({ restarts }) => restarts))} restarts told, ` +
          `${restarted} errs RESTARTED, ${mixedOf(readings)} mixed`,
      );
      expect(again.length).toBeGreaterThan(0);
      expect(rising.length).toBe(again.length);
      expect(back.length).toBeGreaterThan(0);
      expect(seen.length).toBe(back.length);
      expect(mixedOf(readings)).toBe(0);
      expect(wholeOf(readings).length + restarted).toBe(REQUESTS);
      expect(readings.filter(({ end }, id) => end === 'RESTARTED' && id % 4 !== 0)).toEqual([]);
    },
  );
});
