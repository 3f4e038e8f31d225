import { Controller, type INestMicroservice, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Ctx, MessagePattern, Payload } from '@nestjs/microservices';
import { AssignerProtocol } from 'kafkajs';
import { firstValueFrom } from 'rxjs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { StreambackClient, StreambackContext, StreambackModule, StreambackRecord, StreambackServer } from '../../lib';
import { rawKafka } from '../fault/raw-kafka';
import { eventually } from '../support/eventually';
import { freshName } from '../support/fresh-name';
import type { RedisServer } from '../support/redis';
import { report } from '../support/report';
import { describeWith } from '../support/servers';
import { createTopics, startPlainRedis, startPythonServer } from './interop-setup';
import type { PythonProcess } from './python-process';

interface Keyed {
  readonly id: string;
  readonly partition: number;
  readonly by: 'python' | 'nest';
}

const KEYS = 20;
const IDLE_TIMEOUT_MS = 90_000;

describeWith(['kafka', 'own-redis', 'python'], 'A group with Python and Nest members', ({ kafkaUrl, pythonPath }) => {
  const prefix = freshName('shared');
  const group = freshName('both');
  const python: PythonProcess[] = [];
  const nest: INestMicroservice[] = [];
  /** What the Nest members have handled, in order. */
  const handled: { id: string; key: string | null }[] = [];
  let redis: RedisServer;
  let streams: string;
  let client: StreambackClient;

  @Controller()
  class KeyedController {
    @MessagePattern('keyed')
    keyed(@Payload() { id }: { id: string }, @Ctx() context: StreambackContext): Keyed {
      handled.push({ id, key: context.getKey() });
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
    const server = await startPythonServer({ pythonPath, group, streams, topics: ['keyed', 'echo'] });
    python.push(server);
    return server;
  };

  beforeAll(async () => {
    redis = await startPlainRedis();
    streams = `main=${kafkaUrl}&feedback=${redis.url}&topics_prefix=${prefix}`;
    await createTopics(kafkaUrl, prefix);
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
    const last = new Map<string, Promise<unknown>>();
    let sending = true;
    /** One after another of a key: so an answer out of order is a handling out of order. */
    const sendAll = async (key: string): Promise<void> => {
      for (let n = 0; sending; n += 1) {
        const id = `${key}/${n}`;
        sent.push(id);
        const options = { key, idleTimeoutMs: IDLE_TIMEOUT_MS };
        const call = firstValueFrom(client.send<Keyed>('keyed', new StreambackRecord({ id }, options))).then(
          (answer) => void answers.set(id, [...(answers.get(id) ?? []), answer]),
          (error: unknown) => void failures.push([id, error]),
        );
        last.set(key, call);
        await call;
      }
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

    const seen = [
      ...python.flatMap(({ messages }) => messages.filter(({ type }) => type === 'seen').map(({ id }) => id as string)),
      ...handled.map(({ id }) => id),
    ];
    const times = new Map<string, number>();
    for (const id of seen) times.set(id, (times.get(id) ?? 0) + 1);
    const counts = {
      members,
      sent: sent.length,
      unanswered: sent.filter((id) => !answers.has(id)).length,
      lost: sent.filter((id) => !times.has(id)).length,
      handledTwice: [...times.values()].filter((count) => count > 1).length,
      answeredTwice: [...answers.values()].filter((each) => each.length > 1).length,
      byPython: by('python'),
      byNest: by('nest'),
    };
    report('Shared group', counts);
    expect(failures).toEqual([]);
    expect(counts).toMatchObject({ unanswered: 0, lost: 0, answeredTwice: 0 });
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
