import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { StreambackKafkaOptions } from '../../lib';
import type { KafkaMainStream } from '../../lib/streams/kafka/kafka.main-stream';
import { openStream } from '../fault/kafka-load';
import { CANARY_PASSWORD } from '../support/canary';
import { makeCertificate, type Certificate } from '../support/certificate';
import { startKafka, type KafkaServer } from '../support/kafka';
import { kafkaClassPath, run } from '../support/kafka-jars';
import { temporaryFolder } from '../support/process-guard';
import { describeWith } from '../support/servers';
import { roundTrip } from './kafka-round-trip';

const PASSWORD = 'se:cret/42%';
const PLAIN = 'org.apache.kafka.common.security.plain.PlainLoginModule';
const SCRAM = 'org.apache.kafka.common.security.scram.ScramLoginModule';
const MECHANISMS = ['plain', 'scram-sha-256', 'scram-sha-512'] as const;

describeWith(['own-kafka'], 'Kafka with TLS and SASL', () => {
  const folder = temporaryFolder('kafka-tls');
  let kafka: KafkaServer;
  let trusted: Certificate;
  beforeAll(async () => {
    trusted = await makeCertificate(folder.path);
    const ofListener = (name: string): string => `listener.name.client.${name}`;
    kafka = await startKafka({
      config: {
        'listener.security.protocol.map': 'CLIENT:SASL_SSL,INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT',
        'sasl.enabled.mechanisms': MECHANISMS.join(',').toUpperCase(),
        [ofListener('sasl.enabled.mechanisms')]: MECHANISMS.join(',').toUpperCase(),
        [ofListener('plain.sasl.jaas.config')]: `${PLAIN} required user_me="${PASSWORD}";`,
        [ofListener('scram-sha-256.sasl.jaas.config')]: `${SCRAM} required;`,
        [ofListener('scram-sha-512.sasl.jaas.config')]: `${SCRAM} required;`,
        [ofListener('ssl.keystore.type')]: 'PEM',
        [ofListener('ssl.keystore.location')]: trusted.bothFile,
      },
    });
    const classPath = await kafkaClassPath();
    const tool = ['-cp', classPath, 'kafka.admin.ConfigCommand', '--bootstrap-server', kafka.internalBrokers[0]!];
    // One at a time: a request may change one credential of a user.
    for (const mechanism of ['SCRAM-SHA-256', 'SCRAM-SHA-512']) {
      const credential = `${mechanism}=[password=${PASSWORD}]`;
      await run('java', [...tool, '--alter', '--add-config', credential, '--entity-type', 'users', '--entity-name', 'me'], folder.path);
    }
  }, 120_000);
  afterAll(async () => {
    await kafka?.stop();
    folder.remove();
  });

  const open = (mechanism: string, password: string, options: StreambackKafkaOptions = {}, scheme = 'kafka+ssl'): KafkaMainStream =>
    openStream(
      `${kafka.url.replace('kafka://', `${scheme}://me:${encodeURIComponent(password)}@`)}?mechanism=${mechanism}`,
      { partitions: 1, ...options },
      5_000,
    );
  const trusting = (): StreambackKafkaOptions => ({ client: { ssl: { ca: [trusted.certificate] } } });
  const failureOf = (work: Promise<unknown>): Promise<unknown> =>
    work.then(
      () => 'it was let in',
      (error: unknown) => error,
    );

  describe.each(MECHANISMS)('%s', (mechanism) => {
    it('logs in, publishes and consumes', async () => {
      const stream = open(mechanism, PASSWORD, trusting());
      expect(await roundTrip(stream, 'hello')).toBe('hello');
      // What is large takes another way to the socket.
      const large = 'hello'.repeat(100_000);
      expect((await roundTrip(stream, large)) === large).toBe(true);
      await stream.close();
    });

    it('AUTHENTICATION_FAILED with a wrong password, without the password', async () => {
      const stream = open(mechanism, CANARY_PASSWORD, trusting());
      const error = await failureOf(stream.connect());
      expect(error).toMatchObject({ code: 'AUTHENTICATION_FAILED', retryable: false });
      expect(`${(error as Error).stack} ${JSON.stringify(error)}`).not.toContain(CANARY_PASSWORD);
      await stream.close();
    });
  });

  it('a certificate that is not trusted is UNREACHABLE, and the error says why', async () => {
    const stream = open('plain', PASSWORD);
    expect(await failureOf(stream.connect())).toMatchObject({ code: 'UNREACHABLE', message: expect.stringMatching(/certificate/i) });
    await stream.close();
  });

  it('without TLS nothing is let in, in bounded time, and the password is not sent', async () => {
    const stream = open('scram-sha-512', PASSWORD, {}, 'kafka');
    const startedAt = performance.now();
    expect(await failureOf(stream.connect())).toMatchObject({ code: 'UNREACHABLE' });
    expect(performance.now() - startedAt).toBeLessThan(40_000);
    await stream.close();
    expect(() => open('plain', PASSWORD, {}, 'kafka')).toThrow(expect.objectContaining({ code: 'PLAINTEXT_SASL' }));
  });
});
