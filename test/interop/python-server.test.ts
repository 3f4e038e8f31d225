import { crc32 } from 'node:zlib';
import { Redis } from 'ioredis';
import { firstValueFrom, lastValueFrom, toArray } from 'rxjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { StreambackClient, StreambackRecord, type StreambackOptions, type StreambackRequestOptions } from '../../lib';
import { eventually } from '../support/eventually';
import { freshName } from '../support/fresh-name';
import type { RedisServer } from '../support/redis';
import { report } from '../support/report';
import { describeWith } from '../support/servers';
import { countIds, createServerTopics, PARTITIONS, startPlainRedis, startPythonServer, VALUES } from './interop-setup';
import { PythonClient, type PythonProcess } from './python-process';

describeWith(['kafka', 'own-redis', 'python'], 'A Nest client of a Python server', ({ kafkaUrl, pythonPath }) => {
  const prefix = freshName('py-server');
  const [group, otherGroup] = [freshName('py'), freshName('py-other')];
  let redis: RedisServer;
  let server: PythonProcess;
  let streams: string;
  const clients: { close(): Promise<void> }[] = [];
  const create = (options: Partial<StreambackOptions> = {}): StreambackClient => {
    const client = new StreambackClient({ group: freshName('nest'), streams, ...options });
    clients.push(client);
    return client;
  };
  const all = <Answer>(client: StreambackClient, topic: string, data: unknown, options: StreambackRequestOptions = {}): Promise<Answer[]> =>
    lastValueFrom(client.send<Answer>(topic, new StreambackRecord(data, options)).pipe(toArray()));
  /** What it errs with, and what came before. */
  const failure = async (client: StreambackClient, topic: string, data: unknown, options: StreambackRequestOptions = {}) => {
    const seen: unknown[] = [];
    const error = await new Promise<unknown>((resolve, reject) =>
      client.send(topic, new StreambackRecord(data, options)).subscribe({
        next: (value) => seen.push(value),
        error: resolve,
        complete: () => reject(new Error('it completed')),
      }),
    );
    return { seen, error };
  };

  beforeAll(async () => {
    redis = await startPlainRedis();
    streams = `main=${kafkaUrl}&feedback=${redis.url}&topics_prefix=${prefix}`;
    await createServerTopics(kafkaUrl, prefix);
    server = await startPythonServer({ pythonPath, group, streams });
  });
  afterAll(async () => {
    await Promise.all(clients.map((client) => client.close()));
    await server?.stop();
    await redis?.close();
  });

  it('a call is answered without any option: that answers come in lists is found out once', async () => {
    const client = create();
    await client.connect();
    const times: number[] = [];
    for (let call = 0; call < 3; call += 1) {
      const startedAt = performance.now();
      expect(await firstValueFrom(client.send('echo', { call }))).toEqual({ call });
      times.push(Math.round(performance.now() - startedAt));
    }
    report('Python server', { firstCallMs: times[0]!, secondCallMs: times[1]!, thirdCallMs: times[2]! });
    expect(times[0]).toBeLessThan(2_000);
    expect(Math.min(times[1]!, times[2]!)).toBeLessThan(times[0]!);
  });

  it.each([
    ['found out', {}],
    ['by list', { feedback: 'list' }],
  ] as const)('carries what JSON holds as it is: %s', async (_name, options) => {
    const client = create();
    for (const value of VALUES) expect(await all(client, 'echo', value, options)).toEqual([value]);
  });

  it.each([
    ['found out', {}],
    ['by list', { feedback: 'list' }],
  ] as const)('a stream of 10,000 comes whole and in order: %s', async (name, options) => {
    const answers = await all<{ id: number }>(create(), 'count', { count: 10_000 }, options);
    const counts = countIds(
      answers.map(({ id }) => id),
      10_000,
    );
    report(`Python server, stream ${name}`, counts);
    expect(counts).toEqual({ sent: 10_000, lost: 0, doubled: 0, outOfOrder: 0 });
  });

  it('a lane pulls a stream, by list and found out', async () => {
    const client = create();
    for (const options of [{}, { feedback: 'list' }] as const) {
      const lane = client.open<{ id: number }>('count', new StreambackRecord({ count: 500 }, options));
      const ids: number[] = [];
      for await (const { id } of lane) ids.push(id);
      expect(countIds(ids, 500)).toEqual({ sent: 500, lost: 0, doubled: 0, outOfOrder: 0 });
      expect(lane.group).toBe(group);
      expect(lane.feedbackTopic).toMatch(/^streamback_feedback_/);
    }
  });

  it('an error comes after the answers before it, in the form that Nest gives to text', async () => {
    const client = create();
    for (const after of [0, 3]) {
      const { seen, error } = await failure(client, 'fail', { after });
      expect(seen).toEqual([0, 1, 2].slice(0, after));
      expect(error).toEqual({ status: 'error', message: "ValueError('boom ü')" });
    }
  });

  it('no answer completes', async () => {
    expect(await all(create(), 'silent', {})).toEqual([]);
  });

  it('F7: timeouts are exact, and what comes late disturbs nobody', async () => {
    const client = create();
    const startedAt = performance.now();
    const [total, idle] = await Promise.all([
      failure(client, 'slow', { seconds: 2 }, { timeoutMs: 700 }),
      failure(client, 'slow', { seconds: 2 }, { idleTimeoutMs: 900, feedback: 'list' }),
    ]);
    const tookMs = performance.now() - startedAt;
    expect(total.error).toMatchObject({ code: 'DEADLINE_EXCEEDED', retryable: true });
    expect(idle.error).toMatchObject({ code: 'IDLE_TIMEOUT', retryable: true });
    expect(tookMs).toBeGreaterThan(850);
    expect(tookMs).toBeLessThan(1_600);
    expect(await all(client, 'echo', 'after')).toEqual(['after']);
  });

  it('NaN and Infinity are null, large integers the nearest number, or bigint where that is asked for', async () => {
    const limits = { safe: 2 ** 53 - 1, unsafe: 2 ** 53, huge: -(10 ** 30), float: 1e300, half: 0.5 };
    const notFinite = { nan: null, up: null, down: null, text: 'NaN Infinity' };
    expect(await all(create(), 'numbers', {})).toEqual([notFinite, limits]);
    expect(await all(create({ bigint: true }), 'numbers', {})).toEqual([
      notFinite,
      { ...limits, unsafe: 2n ** 53n + 1n, huge: -(10n ** 30n) },
    ]);
    const big = { a: 2n ** 64n, b: [-(2n ** 53n) - 1n], c: 1 };
    expect(await all(create({ bigint: true }), 'echo', big)).toEqual([big]);
  });

  it('all listeners of one topic answer on one lane, and their failures are one error at its end', async () => {
    const { seen, error } = await failure(create(), 'several', {});
    expect(seen).toEqual(['first', 'second']);
    expect(error).toEqual({ status: 'error', message: "KeyError('third failed')" });
  });

  it('what Python reads of a request is what it knows, and more that it passes over', async () => {
    const [byList] = await all<Record<string, unknown>>(create(), 'whole', { a: 1 }, { feedback: 'list' });
    expect(byList).toMatchObject({ value: { a: 1 }, event: 'message', source_group: expect.stringMatching(/^nest\./) });
    expect(byList!.feedback_topic).toBe(`streamback_feedback_${String(byList!.id)}`);
    expect(byList).not.toHaveProperty('inbox');
  });

  it('an event is handled once and leaves nothing behind', async () => {
    const client = create();
    const id = freshName('event');
    await lastValueFrom(client.emit('event', { id }), { defaultValue: undefined });
    await eventually('it is seen', () => server.messages.some((message) => message.id === id));
    expect(server.messages.filter((message) => message.id === id)).toHaveLength(1);
  });

  it('a wrong option ends in an error that names it, and never hangs', async () => {
    const wrong = await failure(create(), 'echo', 1, { feedback: 'inbox' });
    expect(wrong.error).toMatchObject({ code: 'FEEDBACK_UNSUPPORTED', remedy: expect.stringContaining("'feedback'") });
    const wholly = await failure(create({ defaultRequestOptions: { feedback: 'inbox' } }), 'echo', 1);
    expect(wholly.error).toMatchObject({ code: 'FEEDBACK_UNSUPPORTED' });
    const nobody = await failure(create(), 'echo', 1, { fromGroup: 'nobody', idleTimeoutMs: 1_500 });
    expect(nobody.error).toMatchObject({
      code: 'IDLE_TIMEOUT',
      message: expect.stringMatching(/answers of 'py\..+' were dropped, 'fromGroup'/),
    });
    const options = { requestOptions: { echo: { feedback: 'list' } }, defaultRequestOptions: { feedback: 'inbox' } } as const;
    expect(await all(create(options), 'echo', 'by pattern')).toEqual(['by pattern']);
  });

  it('fromGroup chooses among groups, gather takes them all; without either the first to answer is followed to its end', async () => {
    const other = await startPythonServer({ pythonPath, group: otherGroup, streams });
    try {
      const client = create();
      for (const fromGroup of [group, otherGroup]) {
        for (const options of [{}, { feedback: 'list' }] as const) {
          const lane = client.open<{ id: number }>('count', new StreambackRecord({ count: 50 }, { ...options, fromGroup }));
          const ids: number[] = [];
          for await (const { id } of lane) ids.push(id);
          expect([lane.group, countIds(ids, 50)]).toEqual([fromGroup, { sent: 50, lost: 0, doubled: 0, outOfOrder: 0 }]);
        }
      }
      // By list, as this client knows by now, and found out.
      for (const gatherer of [client, create()]) {
        const wish = { groups: [group, otherGroup], timeoutMs: 10_000 };
        const { answers, complete } = await firstValueFrom(gatherer.gather<{ id: number }>('count', { count: 20 }, wish));
        expect([complete, answers.map((each) => each.group).toSorted()]).toEqual([true, [group, otherGroup].toSorted()]);
        for (const { values } of answers) {
          expect(
            countIds(
              values.map(({ id }) => id),
              20,
            ),
          ).toEqual({ sent: 20, lost: 0, doubled: 0, outOfOrder: 0 });
        }
      }
      const ids = (await all<{ id: number }>(client, 'count', { count: 200 })).map(({ id }) => id);
      expect(countIds(ids, 200)).toEqual({ sent: 200, lost: 0, doubled: 0, outOfOrder: 0 });
    } finally {
      await other.stop();
    }
  });

  it("resumes what Python has sent, and Python's continue_stream what Nest has sent", async () => {
    const python = await PythonClient.start(pythonPath, freshName('py-client'), streams);
    clients.push(python);
    const sent = await python.do<string>({ do: 'send', topic: 'count', value: { count: 100 }, flush: true });
    const ids: number[] = [];
    for await (const { id } of create().resume<{ id: number }>(sent)) ids.push(id);
    expect(countIds(ids, 100)).toEqual({ sent: 100, lost: 0, doubled: 0, outOfOrder: 0 });

    const lane = create().open('count', new StreambackRecord({ count: 100 }, { feedback: 'list' }));
    const read = await python.do<{ id: number }[]>({ do: 'stream', feedback_topic: lane.feedbackTopic, from_group: group, timeout: 5 });
    expect(
      countIds(
        read.map(({ id }) => id),
        100,
      ),
    ).toEqual({ sent: 100, lost: 0, doubled: 0, outOfOrder: 0 });
  });

  it('a key goes to the partition that Python puts it on', async () => {
    const python = await PythonClient.start(pythonPath, freshName('py-client'), streams);
    clients.push(python);
    const client = create({ kafka: { partitioner: 'crc32' } });
    const keys = Array.from({ length: 40 }, (_, index) => `key-${index}-ü`);
    const read = async (key: string) => {
      const [nest, py] = await Promise.all([
        firstValueFrom(client.send<{ partition: number }>('keyed', new StreambackRecord({ id: key }, { key }))),
        python.do<{ partition: number }>({ do: 'read', topic: 'keyed', value: { id: key }, key, from_group: group }),
      ]);
      return [nest.partition, py.partition] as const;
    };
    const pairs = await Promise.all(keys.map(read));
    report('Python server, keys', { keys: keys.length, samePartition: pairs.filter(([nest, py]) => nest === py).length });
    expect(pairs).toEqual(keys.map((key) => [crc32(key) % PARTITIONS, crc32(key) % PARTITIONS]));
  });

  describe('many lanes at once', () => {
    it('use a fixed number of sockets', async () => {
      const name = freshName('many').replace('.', '-');
      const client = create({ redis: { client: { connectionName: name } } });
      const admin = new Redis(redis.url);
      const sockets = async (): Promise<number> => String(await admin.client('LIST')).split(`name=${name} `).length - 1;
      expect(await all(client, 'echo', 'first')).toEqual(['first']);
      const before = await sockets();
      const startedAt = performance.now();
      const pending = Array.from({ length: 3_000 }, (_, id) => firstValueFrom(client.send<{ id: number }>('echo', { id })));
      const during = await sockets();
      const ids = (await Promise.all(pending)).map(({ id }) => id);
      report('Python server, 3,000 calls at once', {
        ...countIds(ids, 3_000),
        sockets: during,
        ms: Math.round(performance.now() - startedAt),
      });
      expect([before, during, await sockets()]).toEqual([3, 3, 3]);
      expect(countIds(ids, 3_000)).toEqual({ sent: 3_000, lost: 0, doubled: 0, outOfOrder: 0 });
      await admin.quit();
    });
  });
});
