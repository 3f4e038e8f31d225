import { AclOperationTypes, AclPermissionTypes, AclResourceTypes, ResourcePatternTypes } from 'kafkajs';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { KafkaMainStream } from '../../lib/streams/kafka/kafka.main-stream';
import { parseStreamUrl } from '../../lib/streams/streams-url';
import type { StreamStatus } from '../../lib/streams/main-stream';
import { eventually } from '../support/eventually';
import { freshName } from '../support/fresh-name';
import { startKafka, type KafkaServer } from '../support/kafka';
import { RecordingLogger } from '../support/recording-logger';
import { describeWith } from '../support/servers';

type Operation = 'READ' | 'WRITE' | 'CREATE' | 'DESCRIBE';

describeWith(['own-kafka'], 'Kafka with ACLs', () => {
  let kafka: KafkaServer;
  beforeAll(async () => {
    kafka = await startKafka({
      config: {
        'listener.security.protocol.map': 'CLIENT:SASL_PLAINTEXT,INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT',
        'sasl.enabled.mechanisms': 'PLAIN',
        'listener.name.client.sasl.enabled.mechanisms': 'PLAIN',
        'listener.name.client.plain.sasl.jaas.config': 'org.apache.kafka.common.security.plain.PlainLoginModule required user_me="secret";',
        'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
        // The nodes themselves, and `withAdmin`.
        'super.users': 'User:ANONYMOUS',
      },
    });
  }, 120_000);
  afterAll(() => kafka?.stop());
  const streams: KafkaMainStream[] = [];
  afterEach(async () => {
    await Promise.all(streams.splice(0).map((stream) => stream.close()));
  });

  const acl = (resourceType: AclResourceTypes, resourceName: string, operation: Operation) => ({
    resourceType,
    resourceName,
    resourcePatternType: ResourcePatternTypes.LITERAL,
    principal: 'User:me',
    host: '*',
    operation: AclOperationTypes[operation],
    permissionType: AclPermissionTypes.ALLOW,
  });
  const rights = (type: AclResourceTypes) => ({
    grant: (name: string, ...operations: Operation[]) =>
      kafka.withAdmin((admin) => admin.createAcls({ acl: operations.map((operation) => acl(type, name, operation)) })),
    withdraw: (name: string, ...operations: Operation[]) =>
      kafka.withAdmin((admin) => admin.deleteAcls({ filters: operations.map((operation) => acl(type, name, operation)) })),
  });
  const [topicRights, groupRights] = [rights(AclResourceTypes.TOPIC), rights(AclResourceTypes.GROUP)];
  const create = (...topics: string[]) =>
    kafka.withAdmin((admin) =>
      admin.createTopics({ topics: topics.map((topic) => ({ topic, numPartitions: 1, replicationFactor: 1 })), waitForLeaders: false }),
    );
  const open = () => {
    const logger = new RecordingLogger();
    const url = parseStreamUrl(kafka.url.replace('kafka://', 'kafka://me:secret@'));
    const options = { allowPlaintextSasl: true, consumer: { sessionTimeout: 6_000 } };
    const stream = new KafkaMainStream({ url, options, publishTimeoutMs: 5_000, logger });
    streams.push(stream);
    const states: StreamStatus[] = [];
    stream.onStatus((status) => states.push(status));
    const loud = () => logger.lines.filter((line) => /^(warn|error)/.test(line));
    return { stream, logger, loud, states };
  };
  const send = (topic: string, value = 'x', stream = admin()) =>
    stream.publish({ topic, key: null, value: Buffer.from(value), headers: [] });
  /** A stream that may do all. */
  let all: KafkaMainStream | undefined;
  const admin = (): KafkaMainStream =>
    (all ??= new KafkaMainStream({
      url: parseStreamUrl(`kafka://${kafka.internalBrokers.join(',')}`),
      options: {},
      publishTimeoutMs: 5_000,
      logger: new RecordingLogger(),
    }));
  afterAll(() => all?.close());
  const subscribe = async (stream: KafkaMainStream, group: string, topics: string[]) => {
    const values: string[] = [];
    await stream.subscribe({
      group,
      topics,
      maxInFlight: 10,
      drainTimeoutMs: 500,
      onDelivery: (delivery) => {
        values.push(String(delivery.message.value));
        delivery.settle();
      },
    });
    return values;
  };
  const refused = (task: Promise<unknown>): Promise<unknown> =>
    task.then(
      () => 'it was let in',
      (error: unknown) => error,
    );

  it('producing: NOT_AUTHORIZED names the topic, other topics go on, and it goes on once it may', { timeout: 60_000 }, async () => {
    const [mine, other] = [freshName('mine'), freshName('other')];
    await create(mine, other);
    await topicRights.grant(other, 'WRITE');
    const { stream, loud } = open();
    const named = { code: 'NOT_AUTHORIZED', message: expect.stringContaining(mine) };
    const publishBoth = () => Promise.all([refused(send(mine, 'x', stream)), refused(send(other, 'x', stream))]);
    // Not even that it exists may be known; then all but writing.
    expect(await publishBoth()).toEqual([expect.objectContaining(named), 'it was let in']);
    await topicRights.grant(mine, 'DESCRIBE');
    await eventually('it is found', async () => String(await refused(send(mine, 'x', stream))).includes('Publishing'));
    expect(await publishBoth()).toEqual([expect.objectContaining(named), 'it was let in']);
    await topicRights.grant(mine, 'WRITE');
    await eventually('it goes on', async () => (await refused(send(mine, 'x', stream))) === 'it was let in');
    await topicRights.withdraw(mine, 'WRITE', 'DESCRIBE');
    await eventually('it is refused again', async () => (await refused(send(mine, 'x', stream))) !== 'it was let in');
    expect(await publishBoth()).toEqual([expect.objectContaining(named), 'it was let in']);
    await topicRights.grant(mine, 'WRITE');
    await eventually('it goes on again', async () => (await refused(send(mine, 'x', stream))) === 'it was let in');
    // Each caller was told.
    expect(loud()).toEqual([]);
  });

  it('creating a topic, joining a group: subscribe rejects with NOT_AUTHORIZED, which names it', { timeout: 60_000 }, async () => {
    const [topic, missing, group] = [freshName('topic'), freshName('missing'), freshName('group')];
    await create(topic);
    const { stream } = open();
    const attempt = (name: string) => refused(subscribe(stream, group, [name]));
    const naming = (what: string) => ({ code: 'NOT_AUTHORIZED', retryable: false, message: expect.stringContaining(`'${what}'`) });
    expect(await attempt(topic)).toMatchObject(naming(topic));
    await topicRights.grant(topic, 'READ');
    await topicRights.grant(missing, 'READ');
    expect(await attempt(missing)).toMatchObject(naming(missing));
    expect(await attempt(topic)).toMatchObject(naming(group));
    await topicRights.grant(missing, 'CREATE');
    await groupRights.grant(group, 'READ');
    const values = await subscribe(stream, group, [topic, missing]);
    await send(topic, 'a');
    await send(missing, 'b');
    await eventually('both are read', () => values.length === 2);
  });

  it('reading a topic: said once, other topics go on, and it goes on once it may', { timeout: 90_000 }, async () => {
    const [mine, other, group] = [freshName('mine'), freshName('other'), freshName('group')];
    await create(mine, other);
    await topicRights.grant(other, 'READ');
    await topicRights.grant(mine, 'DESCRIBE');
    await groupRights.grant(group, 'READ');
    const { stream, loud, logger } = open();
    const values = await subscribe(stream, group, [mine, other]);
    await send(mine, 'mine 1');
    await send(other, 'other 1');
    await eventually('the other is read', () => values.includes('other 1'));
    await eventually('it is said', () => loud().length > 0);
    // Many more tries.
    for (let i = 0; i < 100; i++) await send(other, `other more ${i}`);
    await eventually('the other goes on', () => values.includes('other more 99'));
    expect(loud()).toEqual([expect.stringMatching(`^error .*'${mine}'.*TOPIC_AUTHORIZATION_FAILED`)]);
    await topicRights.grant(mine, 'READ');
    await eventually('it is read', () => values.includes('mine 1'), { timeoutMs: 20_000 });
    expect(logger.having('goes on')).toHaveLength(1);
    // All rights to it are withdrawn from a running consumer.
    await topicRights.withdraw(mine, 'READ', 'DESCRIBE');
    await eventually('it is said again', () => loud().length === 2, { timeoutMs: 20_000 });
    await send(mine, 'mine 2');
    await send(other, 'other 2');
    await eventually('the other goes on', () => values.includes('other 2'), { timeoutMs: 20_000 });
    await topicRights.grant(mine, 'READ');
    await eventually('it is read again', () => values.includes('mine 2'), { timeoutMs: 20_000 });
    console.info(`ACLs: ${values.length} handled, ${values.length - new Set(values).size} twice; said: ${JSON.stringify(loud())}`);
    expect(loud()).toHaveLength(2);
  });

  it('the group is withdrawn from a running consumer: said once, and it goes on once it may', { timeout: 90_000 }, async () => {
    const [topic, group] = [freshName('topic'), freshName('group')];
    await create(topic);
    await topicRights.grant(topic, 'READ');
    await groupRights.grant(group, 'READ');
    const { stream, loud, logger, states } = open();
    const values = await subscribe(stream, group, [topic]);
    await send(topic, 'a');
    await eventually('it is read', () => values.includes('a'));
    await groupRights.withdraw(group, 'READ');
    await eventually('it is noticed', () => states.at(-1) === 'reconnecting', { timeoutMs: 20_000 });
    await send(topic, 'b');
    await eventually('it is tried several times', () => logger.having(`as group '${group}' failed`).length > 3, { timeoutMs: 20_000 });
    expect(loud()).toEqual([expect.stringMatching(`^error .*'${group}'.*GROUP_AUTHORIZATION_FAILED`)]);
    await groupRights.grant(group, 'READ');
    await eventually('it goes on', () => values.includes('b'), { timeoutMs: 30_000 });
    expect(loud()).toHaveLength(1);
    expect(states.at(-1)).toBe('connected');
  });
});
