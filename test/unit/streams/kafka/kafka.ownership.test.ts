import type { EachBatchPayload, KafkaMessage } from 'kafkajs';
import { expect, it } from 'vitest';
import { SILENT_LOGGER } from '../../../../lib/common/logger';
import { COOPERATIVE_PROTOCOL } from '../../../../lib/streams/kafka/kafka.assigner';
import type { KafkaCommitter } from '../../../../lib/streams/kafka/kafka.committer';
import { KafkaDispatcher } from '../../../../lib/streams/kafka/kafka.dispatcher';
import type { GroupMembership } from '../../../../lib/streams/kafka/kafka.membership';
import { KafkaOwnership } from '../../../../lib/streams/kafka/kafka.ownership';
import { eventually } from '../../../support/eventually';

it('M3: a member that was thrown out starts nothing of what it has lost', async () => {
  const delivered: string[] = [];
  const dispatcher = new KafkaDispatcher({
    maxInFlight: 1,
    topics: 1,
    maxUncommitted: 100,
    rank: () => 1,
    onCommitNear: () => {},
    setPaused: () => {},
    onDelivery: ({ message }) => void delivered.push(`${message.partition}:${message.offset}`),
  });
  /** What the group would say. */
  const membership = {
    generation: 1,
    missedRound: false,
    confirm: () => {},
    committed: async (places: readonly { topic: string; partition: number }[]) => places.map((place) => ({ ...place, offset: 0 })),
  };
  let ready = 0;
  const ownership = new KafkaOwnership({
    membership: membership as unknown as GroupMembership,
    dispatcher,
    committer: {} as KafkaCommitter,
    setPaused: () => {},
    seek: () => {},
    fromBeginning: true,
    drainTimeoutMs: 0,
    maxHoldMs: 0,
    onRebalance: () => {},
    onLeaving: () => {},
    onReady: () => (ready += 1),
    logger: SILENT_LOGGER,
  });
  const batch = (partition: number): EachBatchPayload => {
    const messages = [{ offset: '0', key: null, value: null, timestamp: '1', attributes: 0 }] as KafkaMessage[];
    return { batch: { topic: 't', partition, messages, fetchedOffset: '0', lastOffset: () => '0' } } as unknown as EachBatchPayload;
  };
  ownership.onJoin({ t: [0, 1, 2] }, '');
  await eventually('ready', () => ready === 1);
  for (const partition of [0, 1, 2]) expect(ownership.onBatch(batch(partition))).toBe(true);
  expect(delivered).toEqual(['0:0']);
  membership.missedRound = true;
  ownership.onJoin({}, '');
  expect(delivered).toEqual(['0:0']);
  expect(ownership.held.size).toBe(0);
});

it('commits what was handled before each join: another program that comes takes partitions at once', async () => {
  let commits = 0;
  const dispatcher = new KafkaDispatcher({
    maxInFlight: 1,
    topics: 1,
    maxUncommitted: 100,
    rank: () => 1,
    onCommitNear: () => {},
    setPaused: () => {},
    onDelivery: () => {},
  });
  const membership = { generation: 1, missedRound: false, confirm: () => {}, committed: () => new Promise(() => {}) };
  const ownership = new KafkaOwnership({
    membership: membership as unknown as GroupMembership,
    dispatcher,
    committer: { commit: async () => (commits += 1) > 0 } as unknown as KafkaCommitter,
    setPaused: () => {},
    seek: () => {},
    fromBeginning: true,
    drainTimeoutMs: 0,
    maxHoldMs: 0,
    onRebalance: () => {},
    onLeaving: () => {},
    onReady: () => {},
    logger: SILENT_LOGGER,
  });
  await ownership.beforeJoin();
  expect(commits).toBe(0);
  ownership.onJoin({ t: [0] }, COOPERATIVE_PROTOCOL);
  await ownership.beforeJoin();
  expect(commits).toBe(1);
});
