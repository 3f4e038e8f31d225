import type { MemberSubscription, PartitionsByTopic } from './kafka.member-metadata';

interface Load {
  readonly id: string;
  readonly topics: ReadonlySet<string>;
  readonly busy: ReadonlySet<string>;
  readonly held: Set<Place>;
  /** Numbers of `held`, by topic. */
  readonly counts: Map<string, number>;
}

interface Place {
  readonly key: string;
  readonly topic: string;
  readonly partition: number;
}

export interface GroupMember extends MemberSubscription {
  readonly id: string;
}

/**
 * Who reads what. Every partition goes to a member that subscribed to its topic; the numbers differ by one at most where
 * subscriptions allow, over all topics together and of each topic; beyond that, partitions stay where they are, those with work in
 * flight above all. The same input gives the same answer.
 * @param cooperative a partition that changes hands is given to nobody in this round: its owner sees that it is missing, finishes
 * what is in flight, commits, and joins again; then it is free. Without it (other programs are in the group) it changes at once.
 */
export function assignPartitions(
  members: readonly GroupMember[],
  partitionsOf: ReadonlyMap<string, readonly number[]>,
  cooperative: boolean,
): Map<string, PartitionsByTopic> {
  const loads = [...members].sort((a, b) => compare(a.id, b.id)).map(toLoad);
  const owners = claimedBy(members);
  const free: Place[] = [];
  for (const place of placesOf(partitionsOf)) {
    const owner = loads.find(({ id, topics }) => id === owners.get(place.key) && topics.has(place.topic));
    if (owner) give(owner, place);
    else free.push(place);
  }
  for (const place of free) {
    const to = leastLoaded(loads, place.topic);
    if (to) give(to, place);
  }
  balance(loads);
  exchange(loads, new Set(free));
  return new Map(loads.map((load) => [load.id, toAssignment(load, cooperative ? owners : new Map())]));
}

export function placeKey(topic: string, partition: number): string {
  return `${topic}/${partition}`;
}

function toLoad({ id, topics, claim }: GroupMember): Load {
  return { id, topics: new Set(topics), busy: new Set(keysOf(claim?.busy ?? {})), held: new Set(), counts: new Map() };
}

function placesOf(partitionsOf: ReadonlyMap<string, readonly number[]>): Place[] {
  const topics = [...partitionsOf].sort(([a], [b]) => compare(a, b));
  return topics.flatMap(([topic, partitions]) =>
    [...partitions].sort((a, b) => a - b).map((partition) => ({ key: placeKey(topic, partition), topic, partition })),
  );
}

function give(load: Load, place: Place): void {
  load.held.add(place);
  load.counts.set(place.topic, ofTopic(load, place.topic) + 1);
}

function move(place: Place, from: Load, to: Load): void {
  from.held.delete(place);
  from.counts.set(place.topic, ofTopic(from, place.topic) - 1);
  give(to, place);
}

function ofTopic(load: Load, topic: string): number {
  return load.counts.get(topic) ?? 0;
}

/**
 * A claim counts only from a member that took part in the last round: what another one claims may have been handled, and
 * committed further, by others since.
 */
function claimedBy(members: readonly GroupMember[]): Map<string, string> {
  const last = Math.max(-1, ...members.map(({ claim }) => claim?.generation ?? -1));
  const owners = new Map<string, string>();
  for (const { id, claim } of [...members].sort((a, b) => compare(a.id, b.id))) {
    if (!claim || claim.generation < last) continue;
    for (const key of keysOf(claim.owned)) if (!owners.has(key)) owners.set(key, id);
  }
  return owners;
}

function keysOf(claimed: PartitionsByTopic): string[] {
  return Object.entries(claimed).flatMap(([topic, partitions]) => partitions.map((each) => placeKey(topic, each)));
}

function leastLoaded(loads: readonly Load[], topic: string): Load | undefined {
  let least: Load | undefined;
  for (const load of loads) {
    if (!load.topics.has(topic)) continue;
    if (!least || load.held.size < least.held.size || (load.held.size === least.held.size && ofTopic(load, topic) < ofTopic(least, topic)))
      least = load;
  }
  return least;
}

/** Moves one partition at a time from who has most to who has least, until no move makes it more even. */
function balance(loads: readonly Load[]): void {
  for (let moved = true; moved;) {
    moved = false;
    for (const from of [...loads].sort((a, b) => b.held.size - a.held.size || compare(a.id, b.id))) {
      const best = bestMove(from, loads);
      if (!best) continue;
      move(best.place, from, best.to);
      moved = true;
      break;
    }
  }
}

interface Move {
  readonly place: Place;
  readonly to: Load;
  /** Both then have their share of the topic, of which one had all or most. */
  readonly shares: boolean;
  readonly busy: boolean;
  readonly ofTopic: number;
}

/** Work in flight keeps a partition where it is, but not all of a topic: who joins under load is to have a share of that load. */
function isBetter(move: Move, best: Move): boolean {
  if (move.shares !== best.shares) return move.shares;
  if (move.busy !== best.busy) return best.busy;
  return move.ofTopic > best.ofTopic;
}

function bestMove(from: Load, loads: readonly Load[]): Move | undefined {
  let best: Move | undefined;
  const targets = new Map<string, Load | undefined>([...from.counts.keys()].map((topic) => [topic, leastLoaded(loads, topic)]));
  for (const place of from.held) {
    const to = targets.get(place.topic);
    if (!to || from.held.size - to.held.size < 2) continue;
    const inOne = ofTopic(from, place.topic);
    const candidate = { place, to, shares: inOne - ofTopic(to, place.topic) >= 2, busy: from.busy.has(place.key), ofTopic: inOne };
    if (!best || isBetter(candidate, best)) best = candidate;
  }
  return best;
}

/**
 * Even totals may hide that one member has all of a topic that has the load, and another all of one that is idle: two such members
 * exchange a partition each. No topic becomes less even by it, and one becomes more so, so that it ends.
 */
function exchange(loads: readonly Load[], free: ReadonlySet<Place>): void {
  for (let found = findExchange(loads, free); found; found = findExchange(loads, free)) {
    move(found.place, found.from, found.to);
    if (found.back) move(found.back, found.to, found.from);
  }
}

interface Exchange {
  readonly place: Place;
  readonly from: Load;
  readonly to: Load;
  /** Absent where `from` has one more than `to`, and may give it for nothing. */
  readonly back: Place | undefined;
}

function findExchange(loads: readonly Load[], free: ReadonlySet<Place>): Exchange | undefined {
  for (const topic of new Set(loads.flatMap(({ counts }) => [...counts.keys()]))) {
    const readers = loads.filter(({ topics }) => topics.has(topic)).sort((a, b) => ofTopic(b, topic) - ofTopic(a, topic));
    const fewestFirst = [...readers].reverse();
    for (const from of readers) {
      for (const to of fewestFirst) {
        if (ofTopic(from, topic) - ofTopic(to, topic) < 2) break;
        const place = cheapest(from, free, (each) => each.topic === topic)!;
        if (from.held.size > to.held.size) return { place, from, to, back: undefined };
        const back = cheapest(to, free, (each) => from.topics.has(each.topic) && ofTopic(to, each.topic) > ofTopic(from, each.topic));
        if (back) return { place, from, to, back };
      }
    }
  }
  return undefined;
}

/** What costs least to take away: what nobody has yet, then what has no work in flight. */
function cheapest(load: Load, free: ReadonlySet<Place>, fits: (place: Place) => boolean): Place | undefined {
  const cost = (place: Place): number => (free.has(place) ? 0 : load.busy.has(place.key) ? 2 : 1);
  let best: Place | undefined;
  for (const place of load.held) if (fits(place) && (!best || cost(place) < cost(best))) best = place;
  return best;
}

function toAssignment({ id, held }: Load, owners: ReadonlyMap<string, string>): PartitionsByTopic {
  const assignment: Record<string, number[]> = {};
  for (const { key, topic, partition } of held) {
    const owner = owners.get(key);
    if (owner !== undefined && owner !== id) continue;
    (assignment[topic] ??= []).push(partition);
  }
  return assignment;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
