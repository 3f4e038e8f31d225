import type { EachBatchPayload, KafkaMessage } from 'kafkajs';
import { expect, it } from 'vitest';
import { SILENT_LOGGER } from '../../../../lib/common/logger';
import { COOPERATIVE_PROTOCOL } from '../../../../lib/streams/kafka/kafka.assigner';
import type { KafkaCommitter } from '../../../../lib/streams/kafka/kafka.committer';
import { KafkaDispatcher } from '../../../../lib/streams/kafka/kafka.dispatcher';
import type { GroupMembership } from '../../../../lib/streams/kafka/kafka.membership';
import { KafkaOwnership } from '../../../../lib/streams/kafka/kafka.ownership';
import type { MainStreamDelivery } from '../../../../lib/streams/main-stream';
import { eventually } from '../../../support/eventually';

/** Where partitions begin. */
const FIRST = 100;

/** What is held of topic `t`, joined, with one message in flight at most. */
async function joined(partitions: readonly number[]) {
  const delivered: string[] = [];
  const deliveries: MainStreamDelivery[] = [];
  const dispatcher = new KafkaDispatcher({
    maxInFlight: 1,
    topics: 1,
    maxUncommitted: 100,
    rank: () => 1,
    onCommitNear: () => {},
    setPaused: () => {},
    onDelivery: (delivery) => {
      deliveries.push(delivery);
      delivered.push(`${delivery.message.partition}:${delivery.message.offset}`);
    },
  });
  /** What the group would say. */
  const membership = {
    generation: 1,
    missedRound: false,
    confirm: () => {},
    committed: async (places: readonly { topic: string; partition: number }[]) => places.map((place) => ({ ...place, offset: FIRST })),
  };
  let ready = 0;
  let commits = 0;
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
    onReady: () => (ready += 1),
    logger: SILENT_LOGGER,
  });
  ownership.onJoin({ t: partitions }, '');
  await eventually('ready', () => ready === 1);
  const fetched = (partition: number, offset: number, count = 1): boolean => {
    const messages = Array.from({ length: count }, (_, n) => ({ offset: String(offset + n), key: null, value: null, timestamp: '1' }));
    const lastOffset = (): string => String(offset + count - 1);
    return ownership.onBatch({
      batch: { topic: 't', partition, messages: messages as KafkaMessage[], fetchedOffset: String(offset), lastOffset },
    } as unknown as EachBatchPayload);
  };
  return { delivered, deliveries, membership, ownership, fetched, commits: () => commits };
}

it('M3: a member that was thrown out starts nothing of what it has lost', async () => {
  const { delivered, membership, ownership, fetched } = await joined([0, 1, 2]);
  for (const partition of [0, 1, 2]) expect(fetched(partition, FIRST)).toBe(true);
  expect(delivered).toEqual([`0:${FIRST}`]);
  membership.missedRound = true;
  ownership.onJoin({}, '');
  expect(delivered).toEqual([`0:${FIRST}`]);
  expect(ownership.held.size).toBe(0);
});

it('M7: where the log begins anew, what waited of the old one is not handed over, and takes nobody’s place', async () => {
  const { delivered, deliveries, fetched } = await joined([0]);
  expect(fetched(0, FIRST, 3)).toBe(true);
  expect(fetched(0, 0, 2)).toBe(true);
  expect(delivered).toEqual([`0:${FIRST}`, '0:0']);
  expect(deliveries[0]!.revoked.aborted).toBe(true);
  deliveries[1]!.settle();
  expect(delivered).toEqual([`0:${FIRST}`, '0:0', '0:1']);
});

it('M2: a jump of the log is believed when it comes twice in a row, and not after a fetch that goes on', async () => {
  const { delivered, deliveries, fetched } = await joined([0]);
  expect(fetched(0, FIRST + 50)).toBe(false);
  expect(fetched(0, FIRST)).toBe(true);
  expect(fetched(0, FIRST + 50)).toBe(false);
  expect(fetched(0, FIRST + 50)).toBe(true);
  deliveries[0]!.settle();
  expect(delivered).toEqual([`0:${FIRST}`, `0:${FIRST + 50}`]);
});

it('commits what was handled before each join: another program that comes takes partitions at once', async () => {
  const { ownership, commits } = await joined([]);
  await ownership.beforeJoin();
  expect(commits()).toBe(0);
  ownership.onJoin({ t: [0] }, COOPERATIVE_PROTOCOL);
  await ownership.beforeJoin();
  expect(commits()).toBe(1);
});
