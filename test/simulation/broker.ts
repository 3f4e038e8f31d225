import type { KafkaMessage } from 'kafkajs';
import { partitionOfKey } from '../../lib/streams/kafka/kafka.partitioner';
import type { OutgoingMessage } from '../../lib/streams/main-stream';
import type { Facts } from './facts';
import { Group } from './group';
import type { World } from './world';

/** A message with the partition that was chosen for it, once and for all. */
export interface Placed {
  readonly message: OutgoingMessage;
  readonly partition: number;
}

/** Kafka as far as the main stream sees it: logs, groups, and what goes wrong with them. */
export class Broker {
  private readonly logs = new Map<string, KafkaMessage[][]>();
  private readonly groups = new Map<string, Group>();
  /** Nothing is written, read or committed before. */
  awayUntil = 0;
  /** Produce requests fail, or are acknowledged too late, until then. */
  faultyUntil = 0;
  /** Everything takes so many times as long. */
  slowness = 1;

  constructor(
    readonly world: World,
    readonly facts: Facts,
    readonly partitions: number,
  ) {}

  get isAway(): boolean {
    return this.world.time < this.awayUntil;
  }

  /** How long a message is on its way, in ms. */
  delay(): number {
    const { random } = this.world;
    return (random.chance(0.03) ? random.between(10, 120) : random.between(0.2, 3)) * this.slowness;
  }

  log(topic: string, partition: number): KafkaMessage[] {
    let logs = this.logs.get(topic);
    if (!logs) this.logs.set(topic, (logs = Array.from({ length: this.partitions }, () => [])));
    return logs[partition]!;
  }

  place(message: OutgoingMessage): Placed {
    const { key } = message;
    return {
      message,
      partition: key === null ? this.world.random.below(this.partitions) : partitionOfKey(Buffer.from(key), this.partitions),
    };
  }

  append({ message, partition }: Placed): void {
    const { topic, key, value, headers } = message;
    const log = this.log(topic, partition);
    this.world.note('broker', topic, partition, log.length, key, value);
    log.push({
      key: key === null ? null : Buffer.from(key),
      value,
      headers: Object.fromEntries(headers),
      offset: String(log.length),
      timestamp: String(Math.floor(this.world.time)),
      attributes: 0,
    });
    if (topic === 'aside' || topic.endsWith('.dlt')) {
      const n = numberOf(value);
      this.facts.deadLetters.set(n, (this.facts.deadLetters.get(n) ?? 0) + 1);
    }
    for (const group of this.groups.values()) group.onAppended(topic, partition);
  }

  group(name: string): Group {
    let group = this.groups.get(name);
    if (!group) this.groups.set(name, (group = new Group(this, name)));
    return group;
  }

  /** What groups have not committed yet: empty at the end. */
  behind(): string[] {
    return [...this.groups.values()].flatMap((group) => group.behind());
  }

  shuffle(): void {
    for (const group of this.groups.values()) group.rebalanceSoon(true);
  }
}

/** The number of a message, as its payload carries it; -1 of what is none of ours. */
export function numberOf(value: Buffer | null): number {
  const [, n = '-1'] = /"n":(\d+)/.exec(value?.toString('latin1') ?? '') ?? [];
  return Number(n);
}

export const placeOf = (topic: string, partition: number): string => `${topic}/${partition}`;
