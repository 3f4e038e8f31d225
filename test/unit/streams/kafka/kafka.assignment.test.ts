import { describe, expect, it } from 'vitest';
import { assignPartitions, type GroupMember } from '../../../../lib/streams/kafka/kafka.assignment';
import { decodeMember, encodeMember, type PartitionsByTopic } from '../../../../lib/streams/kafka/kafka.member-metadata';
import { AssignerProtocol } from 'kafkajs';

const range = (count: number): number[] => Array.from({ length: count }, (_each, index) => index);
const partitions = (topics: Record<string, number>): Map<string, number[]> =>
  new Map(Object.entries(topics).map(([topic, count]) => [topic, range(count)]));
const member = (
  id: string,
  topics: string[],
  owned: PartitionsByTopic = {},
  generation = 1,
  busy: PartitionsByTopic = {},
): GroupMember => ({
  id,
  topics,
  claim: { generation, owned, busy },
});
const count = (assignment: PartitionsByTopic | undefined): number => Object.values(assignment ?? {}).flat().length;

const ofTopic = (members: GroupMember[], topic: string): number[] => members.map(({ claim }) => claim!.owned[topic]?.length ?? 0);
const spread = (counts: number[]): number => Math.max(...counts) - Math.min(...counts);

/** Rounds as members play them: what one holds it claims, what is missing it gives up. */
function settle(members: GroupMember[], topics: Map<string, number[]>): { rounds: number; members: GroupMember[] } {
  for (let rounds = 1; rounds < 10; rounds++) {
    const result = assignPartitions(members, topics, true);
    const next = members.map((each) => ({ ...each, claim: { generation: rounds + 1, owned: result.get(each.id)!, busy: {} } }));
    const total = next.reduce((sum, each) => sum + count(each.claim.owned), 0);
    const wanted = [...topics]
      .filter(([topic]) => members.some((each) => each.topics.includes(topic)))
      .reduce((sum, [, list]) => sum + list.length, 0);
    members = next;
    if (total === wanted) return { rounds, members };
  }
  throw new Error('it does not settle');
}

describe('assignPartitions', () => {
  it('spreads evenly, and the same each time', () => {
    const members = ['c', 'a', 'b'].map((id) => member(id, ['t']));
    const result = assignPartitions(members, partitions({ t: 8 }), true);
    expect([...result.values()].map(count).sort()).toEqual([2, 3, 3]);
    expect(assignPartitions([...members].reverse(), partitions({ t: 8 }), true)).toEqual(result);
  });

  it('gives a partition only to a member that subscribed to its topic', () => {
    const result = assignPartitions([member('old', ['a', 'b']), member('new', ['a', 'c'])], partitions({ a: 2, b: 2, c: 2 }), true);
    expect(result.get('old')).toMatchObject({ b: [0, 1] });
    expect(result.get('new')).toMatchObject({ c: [0, 1] });
    expect(result.get('old')).not.toHaveProperty('c');
    expect(result.get('new')).not.toHaveProperty('b');
    const nobody = assignPartitions([member('one', ['a'])], partitions({ a: 1, b: 1 }), true);
    expect(nobody.get('one')).toEqual({ a: [0] });
  });

  it('takes nothing away where numbers differ by one at most', () => {
    const result = assignPartitions([member('a', ['t'], { t: [0, 2] }), member('b', ['t'], { t: [1] })], partitions({ t: 3 }), true);
    expect(result.get('a')).toEqual({ t: [0, 2] });
    expect(result.get('b')).toEqual({ t: [1] });
  });

  it('gives what changes hands to nobody in the first round, and to the new member in the second', () => {
    const topics = partitions({ t: 4 });
    const members = [member('a', ['t'], { t: [0, 1, 2, 3] }), member('b', ['t'])];
    const first = assignPartitions(members, topics, true);
    expect(count(first.get('a'))).toBe(2);
    expect(first.get('b')).toEqual({});
    const { rounds, members: end } = settle(members, topics);
    expect(rounds).toBe(2);
    expect(end.map(({ claim }) => count(claim!.owned))).toEqual([2, 2]);
    expect(end[0]!.claim!.owned).toEqual(first.get('a'));
  });

  it('changes hands at once in a group with other programs', () => {
    const result = assignPartitions([member('a', ['t'], { t: [0, 1] }), { id: 'python', topics: ['t'] }], partitions({ t: 2 }), false);
    expect([...result.values()].map(count)).toEqual([1, 1]);
  });

  it('takes idle partitions away before those with work in flight', () => {
    const owner = member('a', ['t'], { t: [0, 1, 2, 3] }, 1, { t: [1, 3] });
    expect(assignPartitions([owner, member('b', ['t'])], partitions({ t: 4 }), true).get('a')).toEqual({ t: [1, 3] });
  });

  it('passes over the claim of a member that missed a round', () => {
    const late = member('a', ['t'], { t: [0, 1] }, 5);
    const current = member('b', ['t'], { t: [1] }, 7);
    const result = assignPartitions([late, current], partitions({ t: 2 }), true);
    expect(result.get('b')).toEqual({ t: [1] });
    expect(result.get('a')).toEqual({ t: [0] });
  });

  it('settles within two rounds for any group, even where subscriptions allow', () => {
    let seed = 11;
    const random = (below: number): number => (seed = (seed * 48_271) % 2_147_483_647) % below;
    for (let trial = 0; trial < 100; trial++) {
      const topics = partitions(Object.fromEntries(range(1 + random(4)).map((index) => [`t${index}`, 1 + random(12)])));
      const names = [...topics.keys()];
      const before = range(1 + random(5)).map((index) => member(`m${index}`, names));
      const { members } = settle(before, topics);
      const changed = [...members.slice(random(2)), member('new', names)];
      const { rounds, members: end } = settle(changed, topics);
      expect(rounds).toBeLessThanOrEqual(2);
      const counts = end.map(({ claim }) => count(claim!.owned));
      expect(spread(counts)).toBeLessThanOrEqual(1);
      for (const topic of names) expect(spread(ofTopic(end, topic))).toBeLessThanOrEqual(1);
      const places = end.flatMap(({ claim }) =>
        Object.entries(claim!.owned).flatMap(([topic, list]) => list.map((each) => `${topic}/${each}`)),
      );
      expect(new Set(places).size).toBe(places.length);
    }
  });

  it('shares a topic that has all the work with who joins, and moves the others where that makes no difference', () => {
    const topics = partitions({ busy: 2, cold: 2 });
    const alone = member('a', ['cold', 'busy'], { cold: [0, 1], busy: [0, 1] }, 1, { busy: [0, 1] });
    const joining = { id: 'b', topics: ['cold', 'busy'] };
    const owned = settle([alone, joining], topics).members.map(({ claim }) => claim!.owned);
    expect(owned.map(({ cold = [], busy = [] }) => [cold.length, busy.length])).toEqual([
      [1, 1],
      [1, 1],
    ]);
  });

  it('exchanges partitions where all of a topic are with one member, though both have equally many', () => {
    const topics = partitions({ busy: 2, cold: 2 });
    const skewed = [member('a', ['busy', 'cold'], { busy: [0, 1] }, 1, { busy: [0] }), member('b', ['busy', 'cold'], { cold: [0, 1] })];
    const first = assignPartitions(skewed, topics, true);
    expect([first.get('a'), first.get('b')]).toEqual([{ busy: [0] }, { cold: [1] }]);
    const { rounds, members } = settle(skewed, topics);
    expect(rounds).toBe(2);
    expect([ofTopic(members, 'busy'), ofTopic(members, 'cold')]).toEqual([
      [1, 1],
      [1, 1],
    ]);
  });

  it('takes part in an exchange only what the other subscribed to', () => {
    const owned = [member('a', ['x'], { x: [0, 1] }), member('b', ['x', 'y'], { y: [0, 1] })];
    const result = assignPartitions(owned, partitions({ x: 2, y: 2 }), true);
    expect([result.get('a'), result.get('b')]).toEqual([{ x: [0, 1] }, { y: [0, 1] }]);
  });

  it('moves a partition for nothing to who has one less in all, and two less of its topic', () => {
    const owned = [member('a', ['x'], { x: [0, 1] }), member('b', ['x', 'y'], { y: [0] })];
    expect(settle(owned, partitions({ x: 2, y: 1 })).members.map(({ claim }) => claim!.owned)).toEqual([{ x: [1] }, { x: [0], y: [0] }]);
  });
});

describe('member metadata', () => {
  it('comes back as it was written', () => {
    const claim = { generation: 3, owned: { t: [0, 2] }, busy: { t: [2] } };
    expect(decodeMember(encodeMember({ topics: ['t', 'ü'], claim }))).toEqual({ topics: ['t', 'ü'], claim: { ...claim } });
  });

  it.each([
    '',
    '\u0001\u0002\u0003',
    'null',
    '{"generation":9,"owned":{"t":[0]}}',
    '{"by":"streamback","generation":"9","owned":{"t":[0]}}',
    '{"by":"streamback","generation":9,"owned":null}',
    '{"by":"streamback","generation":9,"owned":{"t":0}}',
    '{"by":"streamback","generation":9,"owned":{"t":["0"]}}',
    '{"by":"streamback","generation":9,"owned":{},"busy":{"t":null}}',
  ])('passes over the userData of another program: %s', (userData) => {
    const encoded = AssignerProtocol.MemberMetadata.encode({ version: 1, topics: ['t'], userData: Buffer.from(userData) });
    expect(decodeMember(encoded)).toEqual({ topics: ['t'] });
  });
});
