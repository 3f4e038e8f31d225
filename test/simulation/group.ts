import { placeOf, type Broker } from './broker';
import type { Member } from './member';

interface Place {
  readonly topic: string;
  readonly partition: number;
  owner: Member | undefined;
  /** Whom the coordinator wants to have it. */
  target: Member | undefined;
  /** The generation in which its owner got it: commits of an earlier one are not taken. */
  since: number;
  committed: number;
}

/** What the coordinator tells a member, in order. */
export interface Round {
  readonly generation: number;
  readonly own: readonly string[];
  readonly giveBack: readonly string[];
}

/** A consumer group: who owns which partition, in which generation, and what is committed. A partition is asked back before it is moved. */
export class Group {
  private readonly members = new Set<Member>();
  private readonly places = new Map<string, Place>();
  private generation = 0;
  private rebalancing = false;
  private shuffled = false;

  constructor(
    private readonly broker: Broker,
    readonly name: string,
  ) {}

  join(member: Member): void {
    this.members.add(member);
    for (const topic of member.topics) {
      for (let partition = 0; partition < this.broker.partitions; partition++) {
        const key = placeOf(topic, partition);
        if (!this.places.has(key)) this.places.set(key, { topic, partition, owner: undefined, target: undefined, since: 0, committed: 0 });
      }
    }
    this.rebalanceSoon();
  }

  /** It left, or was not heard of for a session. */
  remove(member: Member): void {
    if (!this.members.delete(member)) return;
    for (const place of this.places.values()) if (place.owner === member) place.owner = undefined;
    this.rebalanceSoon();
  }

  has(member: Member): boolean {
    return this.members.has(member);
  }

  /** A member's work on a partition has ended. */
  returned(key: string, member: Member): void {
    const place = this.places.get(key)!;
    if (place.owner !== member) return;
    place.owner = undefined;
    this.rebalanceSoon();
  }

  committed(key: string): number {
    return this.places.get(key)!.committed;
  }

  /** @returns whether it was taken: only the owner's is */
  commit(key: string, offset: number, member: Member, generation: number): boolean {
    const place = this.places.get(key)!;
    if (place.owner !== member || !this.members.has(member) || generation < place.since) return false;
    const { world, facts } = this.broker;
    const settled = facts.settled(`${this.name} ${key}`);
    for (let each = place.committed; each < offset; each++) {
      world.check('M5', settled.has(each), () => `${this.name} commits ${key} up to ${offset}, and ${each} was never settled`);
    }
    world.check('M5', offset >= place.committed, () => `${this.name} commits ${key} back from ${place.committed} to ${offset}`);
    place.committed = offset;
    world.note('commit', this.name, key, offset);
    return true;
  }

  onAppended(topic: string, partition: number): void {
    const key = placeOf(topic, partition);
    this.places.get(key)?.owner?.wake(key);
  }

  behind(): string[] {
    return [...this.places.entries()]
      .filter(([, { topic, partition, committed }]) => committed < this.broker.log(topic, partition).length)
      .map(([key, { committed, owner }]) => `${this.name} has committed ${key} up to ${committed} (of ${owner?.actor.name ?? 'nobody'})`);
  }

  rebalanceSoon(shuffled = false): void {
    this.shuffled ||= shuffled;
    if (this.rebalancing) return;
    this.rebalancing = true;
    this.broker.world.after(this.broker.world.random.between(5, 60), undefined, () => this.rebalance());
  }

  private rebalance(): void {
    const { world } = this.broker;
    this.rebalancing = false;
    this.generation += 1;
    const members = [...this.members];
    const load = new Map(members.map((member) => [member, 0]));
    const count = (member: Member): void => void load.set(member, load.get(member)! + 1);
    const fair = Math.ceil(this.places.size / Math.max(members.length, 1));
    for (const place of this.places.values()) {
      const { owner } = place;
      place.target = owner && !this.shuffled && load.get(owner)! < fair ? owner : undefined;
      if (place.target) count(place.target);
    }
    for (const place of this.places.values()) {
      if (place.target || members.length === 0) continue;
      place.target = this.shuffled ? world.random.pick(members) : members.toSorted((one, other) => load.get(one)! - load.get(other)!)[0]!;
      count(place.target);
    }
    this.shuffled = false;
    for (const place of this.places.values()) {
      if (place.owner || !place.target) continue;
      place.owner = place.target;
      place.since = this.generation;
    }
    for (const member of members) {
      const mine = [...this.places.entries()].filter(([, { owner }]) => owner === member);
      const stays = mine.filter(([, { target }]) => target === member).map(([key]) => key);
      const giveBack = mine.filter(([, { target }]) => target !== member).map(([key]) => key);
      member.hear({ generation: this.generation, own: stays, giveBack });
    }
  }
}
