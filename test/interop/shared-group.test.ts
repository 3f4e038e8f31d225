import { Controller, type INestMicroservice, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Ctx, MessagePattern, Payload } from '@nestjs/microservices';
import { AssignerProtocol } from 'kafkajs';
import { lastValueFrom, toArray } from 'rxjs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { StreambackClient, StreambackContext, StreambackModule, StreambackRecord, StreambackServer } from '../../lib';
import { rawKafka } from '../fault/raw-kafka';
import { eventually } from '../support/eventually';
import { freshName } from '../support/fresh-name';
import type { RedisServer } from '../support/redis';
import { report } from '../support/report';
import { describeWith } from '../support/servers';
import { createServerTopics, startPlainRedis, startPythonServer } from './interop-setup';
import type { PythonMessage, PythonProcess } from './python-process';

interface Keyed {
  readonly id: string;
  readonly partition: number;
  readonly by: 'python' | 'nest';
}

const KEYS = 20;
const AT_ONCE = 4;
const IDLE_TIMEOUT_MS = 90_000;

describeWith(['kafka', 'own-redis', 'python'], 'A group with Python and Nest members', ({ kafkaUrl, pythonPath }) => {
  const prefix = freshName('shared');
  const group = freshName('both');
  const python: PythonProcess[] = [];
  const nest: INestMicroservice[] = [];
  /** What members of both kinds have handled, in order. */
  const handled: string[] = [];
  let redis: RedisServer;
  let streams: string;
  let client: StreambackClient;

  @Controller()
  class KeyedController {
    @MessagePattern('keyed')
    keyed(@Payload() { id }: { id: string }, @Ctx() context: StreambackContext): Keyed {
      handled.push(id);
      return { id, partition: context.getMessage().partition, by: 'nest' };
    }

    @MessagePattern('echo')
    echo(data: unknown): unknown {
      return data;
    }
  }
  const startNest = async (): Promise<INestMicroservice> => {
    @Module({ imports: [StreambackModule.forRoot({ group, streams })], controllers: [KeyedController] })
    class AppModule {}
    const app = await NestFactory.createMicroservice(AppModule, {
      useFactory: (strategy: StreambackServer) => ({ strategy }),
      inject: [StreambackServer],
      logger: false,
    });
    await app.listen();
    nest.push(app);
    return app;
  };
  /** Of the same topics: partitions are shared out evenly over all topics, so one who reads others has less of these. */
  const startPythonMember = async (): Promise<PythonProcess> => {
    const onMessage = ({ type, id }: PythonMessage): void => {
      if (type === 'seen') handled.push(id as string);
    };
    const server = await startPythonServer({ pythonPath, group, streams, topics: ['keyed', 'echo'], onMessage });
    python.push(server);
    return server;
  };

  beforeAll(async () => {
    redis = await startPlainRedis();
    streams = `main=${kafkaUrl}&feedback=${redis.url}&topics_prefix=${prefix}`;
    await createServerTopics(kafkaUrl, prefix);
    client = new StreambackClient({ group: freshName('caller'), streams, kafka: { partitioner: 'crc32' } });
    await client.connect();
  });
  afterAll(async () => {
    await client?.close();
    await Promise.all(nest.map((app) => app.close()));
    await Promise.all(python.map((server) => server.stop()));
    await redis?.close();
  });

  it('answers every call while members of both kinds come and go', async () => {
    const sent: string[] = [];
    const answers = new Map<string, Keyed[]>();
    const failures: unknown[] = [];
    let sending = true;
    /** A few of each key at once: so whoever handles them may put them out of order. */
    const sendAll = async (key: string): Promise<void> => {
      const pending = new Set<Promise<void>>();
      for (let n = 0; sending; n += 1) {
        const id = `${key}/${n}`;
        sent.push(id);
        const options = { key, idleTimeoutMs: IDLE_TIMEOUT_MS };
        const call: Promise<void> = lastValueFrom(client.send<Keyed>('keyed', new StreambackRecord({ id }, options)).pipe(toArray()))
          .then(
            (each) => void answers.set(id, each),
            (error: unknown) => void failures.push([id, error]),
          )
          .finally(() => pending.delete(call));
        pending.add(call);
        if (pending.size >= AT_ONCE) await Promise.race(pending);
      }
      await Promise.all(pending);
    };
    const by = (kind: Keyed['by']): number => [...answers.values()].flat().filter((answer) => answer.by === kind).length;
    const more = async (what: string, kinds: readonly Keyed['by'][]): Promise<void> => {
      const before = kinds.map(by);
      const startedAt = performance.now();
      await eventually(what, () => kinds.every((kind, index) => by(kind) > before[index]! + 20), { timeoutMs: 90_000 }).catch(
        async (cause: unknown) => {
          const now = kinds.map((kind, index) => `${kind} ${by(kind) - before[index]!}`).join(', ');
          throw new Error(`${what}: ${now}; ${(await membersOf(kafkaUrl, group)).join('; ')}`, { cause });
        },
      );
      console.info(`${what}: after ${Math.round(performance.now() - startedAt)} ms`);
    };

    const firstPython = await startPythonMember();
    const senders = Array.from({ length: KEYS }, (_, key) => sendAll(`key-${key}`));
    let members = 0;
    try {
      await more('Python alone answers', ['python']);
      const firstNest = await startNest();
      await more('both answer', ['python', 'nest']);
      members = (await membersOf(kafkaUrl, group)).length;
      const secondPython = await startPythonMember();
      await more('both answer with two of Python', ['python', 'nest']);
      await firstPython.stop();
      await more('both answer after one of Python has gone', ['python', 'nest']);
      await startNest();
      await firstNest.close();
      await more('both answer after Nest members have changed', ['python', 'nest']);
      await secondPython.stop();
      await more('Nest alone answers', ['nest']);
    } finally {
      sending = false;
    }
    await Promise.all(senders);

    const times = new Map<string, number>();
    const newest = new Map<string, number>();
    let outOfOrder = 0;
    for (const id of handled) {
      const count = (times.get(id) ?? 0) + 1;
      times.set(id, count);
      const [key = '', n = ''] = id.split('/');
      if (count > 1) continue;
      if (Number(n) < (newest.get(key) ?? -1)) outOfOrder += 1;
      else newest.set(key, Number(n));
    }
    const counts = {
      members,
      sent: sent.length,
      unanswered: sent.filter((id) => !answers.has(id)).length,
      lost: sent.filter((id) => !times.has(id)).length,
      outOfOrder,
      handledTwice: [...times.values()].filter((count) => count > 1).length,
      answeredTwice: [...answers.values()].filter((each) => each.length > 1).length,
      byPython: by('python'),
      byNest: by('nest'),
    };
    report('Shared group', counts);
    expect(failures).toEqual([]);
    expect(counts).toMatchObject({ unanswered: 0, lost: 0, outOfOrder: 0, answeredTwice: 0 });
    expect(counts.byPython).toBeGreaterThan(40);
    expect(counts.byNest).toBeGreaterThan(60);
  }, 300_000);
});

/** Who is in a group, and what each has of it. */
async function membersOf(kafkaUrl: string, group: string): Promise<string[]> {
  const admin = rawKafka(kafkaUrl).admin();
  await admin.connect();
  try {
    const { groups } = await admin.describeGroups([group]);
    const { state, protocol, members } = groups[0]!;
    return members.map(({ clientId, memberAssignment }) => {
      const assigned = AssignerProtocol.MemberAssignment.decode(memberAssignment)?.assignment ?? {};
      return `${clientId}: ${JSON.stringify(assigned)} (${state}, ${protocol})`;
    });
  } finally {
    await admin.disconnect();
  }
}
