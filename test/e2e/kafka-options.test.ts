import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { MessagePattern } from '@nestjs/microservices';
import { CompressionTypes, Kafka, logLevel } from 'kafkajs';
import { firstValueFrom, lastValueFrom } from 'rxjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { StreambackClient, StreambackModule, type StreambackOptions, StreambackServer } from '../../lib';
import { freshName } from '../support/fresh-name';
import { startKafka, type KafkaServer } from '../support/kafka';
import { describeWith, describeWithBrokers } from '../support/servers';

@Controller()
class EchoController {
  @MessagePattern('echo')
  echo(data: unknown): unknown {
    return data;
  }
}

/** What an app with these options answers to an echo. */
async function echo(options: StreambackOptions, data: unknown = 'hello'): Promise<unknown> {
  @Module({ imports: [StreambackModule.forRoot(options)], controllers: [EchoController] })
  class AppModule {}
  const app = await NestFactory.create(AppModule, { logger: false, abortOnError: false });
  try {
    app.connectMicroservice({ strategy: app.get(StreambackServer) });
    await app.startAllMicroservices();
    return await firstValueFrom(app.get(StreambackClient).send('echo', data));
  } finally {
    await app.close();
  }
}

describeWithBrokers('Kafka options', ({ kafkaUrl, streams }) => {
  const brokers = new URL(kafkaUrl).host.split(',');

  it('topics are created with partitions; acks and compression are passed on; the URL gives prefix and group', async () => {
    const prefix = freshName('prefix');
    const group = freshName('group');
    const options: StreambackOptions = {
      group: 'overruled',
      streams: `${streams}&topics_prefix=${prefix}&group=${group}`,
      kafka: { partitions: 3, send: { acks: 1, compression: CompressionTypes.GZIP } },
    };
    expect(await echo(options, 'x'.repeat(10_000))).toBe('x'.repeat(10_000));
    const admin = new Kafka({ brokers, logLevel: logLevel.NOTHING }).admin();
    await admin.connect();
    const { topics } = await admin.fetchTopicMetadata({ topics: [`${prefix}.echo`] });
    const { groups } = await admin.listGroups();
    await admin.disconnect();
    expect(topics[0]!.partitions).toHaveLength(3);
    expect(groups.map(({ groupId }) => groupId)).toEqual(expect.arrayContaining([group]));
  });

  it('a client waits a short while for a missing topic, then errs', async () => {
    const client = new StreambackClient({ group: freshName('client'), streams });
    const startedAt = performance.now();
    await expect(firstValueFrom(client.send(freshName('missing'), {}))).rejects.toMatchObject({ code: 'UNKNOWN_TOPIC', retryable: true });
    const waitedMs = performance.now() - startedAt;
    console.log(`UNKNOWN_TOPIC after ${Math.round(waitedMs)} ms`);
    expect(waitedMs).toBeGreaterThan(500);
    expect(waitedMs).toBeLessThan(5_000);
    await expect(lastValueFrom(client.emit(freshName('missing'), {}))).rejects.toMatchObject({ code: 'UNKNOWN_TOPIC' });
    await client.close();
  });

  it('a client that waits for a topic gets its answer when the service comes in time', async () => {
    const group = freshName('late');
    const options: StreambackOptions = { group, topicsPrefix: group, streams, kafka: { partitions: 1 } };
    const client = new StreambackClient(options);
    await client.connect();
    const answer = firstValueFrom(client.send('echo', 'early bird'));
    @Module({ imports: [StreambackModule.forRoot(options)], controllers: [EchoController] })
    class AppModule {}
    const app = await NestFactory.create(AppModule, { logger: false });
    app.connectMicroservice({ strategy: app.get(StreambackServer) });
    await app.startAllMicroservices();
    expect(await answer).toBe('early bird');
    await client.close();
    await app.close();
  });

  it('a new group starts at the earliest message, or with fromBeginning: false at what comes from now on', async () => {
    const prefix = freshName('earliest');
    const options = (group: string, fromBeginning: boolean): StreambackOptions => ({
      group,
      topicsPrefix: prefix,
      streams,
      kafka: { partitions: 1, fromBeginning },
    });
    expect(await echo(options(freshName('first'), true))).toBe('hello');
    const seen: unknown[] = [];
    @Controller()
    class Counting {
      @MessagePattern('echo')
      count(data: unknown): unknown {
        seen.push(data);
        return data;
      }
    }
    for (const [fromBeginning, expected] of [
      [true, ['from before', 'now']],
      [false, ['now']],
    ] as const) {
      seen.length = 0;
      const client = new StreambackClient(options('client', true));
      await lastValueFrom(client.emit('echo', 'from before'));
      @Module({ imports: [StreambackModule.forRoot(options(freshName('late'), fromBeginning))], controllers: [Counting] })
      class AppModule {}
      const app = await NestFactory.create(AppModule, { logger: false });
      app.connectMicroservice({ strategy: app.get(StreambackServer) });
      await app.startAllMicroservices();
      expect(await firstValueFrom(client.send('echo', 'now'))).toBe('now');
      // Requests of clients that are gone are skipped, events are not: only what was emitted is looked at.
      expect([...new Set(seen)]).toEqual(expected);
      await app.close();
      await client.close();
    }
  });
});

describeWith(['own-kafka', 'redis'], 'Kafka with SASL', ({ redisUrl }) => {
  let kafka: KafkaServer;
  const [user, password] = ['alice', 'canary p@ss:word/1'];

  beforeAll(async () => {
    kafka = await startKafka({
      config: {
        'listener.security.protocol.map': 'CLIENT:SASL_PLAINTEXT,INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT',
        'sasl.enabled.mechanisms': 'PLAIN',
        'listener.name.client.sasl.enabled.mechanisms': 'PLAIN',
        'listener.name.client.plain.sasl.jaas.config': `org.apache.kafka.common.security.plain.PlainLoginModule required user_${user}="${password}" user_bob="secret";`,
      },
    });
  });
  afterAll(async () => {
    await kafka?.stop();
  });

  const options = (credentials: string): StreambackOptions => ({
    group: freshName('sasl'),
    topicsPrefix: freshName('sasl'),
    streams: `main=kafka://${credentials}${kafka.brokers[0]}&feedback=${redisUrl}`,
    kafka: { allowPlaintextSasl: true, partitions: 1 },
  });

  it('logs in with user:password@, percent-encoded', async () => {
    expect(await echo(options(`${user}:${encodeURIComponent(password)}@`))).toBe('hello');
  });

  it("logs in with Python's user@password:", async () => {
    expect(await echo(options('bob@secret:'))).toBe('hello');
  });

  it('a wrong password is a typed error that does not tell it', async () => {
    const error = await echo(options('bob:wrong-canary@')).catch((cause: unknown) => cause);
    expect(error).toMatchObject({ code: 'AUTHENTICATION_FAILED', retryable: false });
    expect(JSON.stringify(error) + String(error)).not.toContain('wrong-canary');
  });
});

describe('unreachable servers', () => {
  it('are named, without the password', async () => {
    const client = new StreambackClient({
      group: 'g',
      streams: 'main=kafka+ssl://u:canary@127.0.0.1:9&feedback=memory://',
      kafka: { client: { connectionTimeout: 200, retry: { retries: 0 } } },
    });
    const error = await firstValueFrom(client.send('x', {})).catch((cause: unknown) => cause);
    expect(error).toMatchObject({ code: 'UNREACHABLE', retryable: true });
    expect(String(error)).not.toContain('canary');
    await client.close();
  });
});
