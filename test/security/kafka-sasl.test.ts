import { afterAll, beforeAll, expect, it } from 'vitest';
import { openStream } from '../fault/kafka-load';
import { CANARY_PASSWORD } from '../support/canary';
import { freshName } from '../support/fresh-name';
import { startKafka, type KafkaServer } from '../support/kafka';
import { describeWith } from '../support/servers';
import { roundTrip } from './kafka-round-trip';

describeWith(['own-kafka'], 'Kafka with SASL', () => {
  let kafka: KafkaServer;
  beforeAll(async () => {
    kafka = await startKafka({
      config: {
        'listener.security.protocol.map': 'CLIENT:SASL_PLAINTEXT,INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT',
        'sasl.enabled.mechanisms': 'PLAIN',
        'listener.name.client.sasl.enabled.mechanisms': 'PLAIN',
        'listener.name.client.plain.sasl.jaas.config':
          'org.apache.kafka.common.security.plain.PlainLoginModule required user_me="se:cret";',
      },
    });
  }, 120_000);
  afterAll(() => kafka?.stop());

  const open = (password: string) =>
    openStream(
      kafka.url.replace('kafka://', `kafka://me:${encodeURIComponent(password)}@`),
      { allowPlaintextSasl: true, partitions: 1 },
      5_000,
    );

  it('logs in, publishes and consumes', async () => {
    const stream = open('se:cret');
    await stream.connect();
    expect(await roundTrip(stream, 'hello')).toBe('hello');
    await stream.close();
  });

  it('AUTHENTICATION_FAILED with a wrong password, from connect, publish and subscribe, without the password', async () => {
    const stream = open(CANARY_PASSWORD);
    const subscribe = () =>
      stream.subscribe({
        group: freshName('group'),
        topics: ['any'],
        maxInFlight: 1,
        drainTimeoutMs: 0,
        onDelivery: (each) => each.settle(),
      });
    const publish = () => stream.publish({ topic: 'any', key: null, value: null, headers: [] });
    for (const attempt of [() => stream.connect(), publish, subscribe]) {
      const error: unknown = await attempt().then(
        () => 'it was let in',
        (reason: unknown) => reason,
      );
      expect(error).toMatchObject({ code: 'AUTHENTICATION_FAILED', retryable: false });
      expect(`${(error as Error).stack} ${JSON.stringify(error)}`).not.toContain('canary');
    }
    await stream.close();
  });
});
