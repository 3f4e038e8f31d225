import type { ListenerOptions, StreambackOrder } from '../../lib/consumer/listener';
import { Random } from '../support/random';

/** What a handler does with a message. */
export interface Behaviour {
  readonly kind: 'value' | 'generator' | 'iterable' | 'observable' | 'respond' | 'nested';
  readonly answers: number;
  /** Before each answer, in ms. */
  readonly pauseMs: number;
  /** So many of its first runs throw, after so many answers. */
  readonly failures: number;
  readonly failsAfter: number;
  /** What it throws is an answer to the requester, rather than a failure. */
  readonly asAnswer: boolean;
  /** It ends when its signal aborts. */
  readonly obeys: boolean;
}

/** How the answers of a request are read. */
export interface Reading {
  /** By a lane, rather than as an Observable. */
  readonly pulls: boolean;
  /** A lane's reader pauses before each read, in ms. */
  readonly pauseMs: number;
  /** It wants no more after so many answers, or after so long. */
  readonly stopsAfter: number;
  readonly stopsAtMs: number;
}

export interface Send {
  /** Its number, which its payload carries. */
  readonly n: number;
  readonly at: number;
  readonly slot: string;
  readonly kind: 'event' | 'request' | 'malformed';
  readonly topic: string;
  readonly key: string | null;
  readonly timeoutMs: number | undefined;
  readonly idleTimeoutMs: number;
  readonly credit: number;
  readonly behaviour: Behaviour;
  readonly reading: Reading;
}

export const FAULTS = [
  'crash',
  'close',
  'freeze',
  'long freeze',
  'rebalance',
  'broker outage',
  'produce faults',
  'feedback outage',
  'feedback faults',
  'cut',
  'emptied',
  'failover',
  'lost credit',
  'slow',
] as const;

export interface Fault {
  readonly at: number;
  readonly kind: (typeof FAULTS)[number];
  readonly slot: string;
  readonly forMs: number;
}

/** A place where a process runs, and after it another. */
export interface Slot {
  readonly name: string;
  readonly group: string;
  /** What it listens to. */
  readonly topics: readonly string[];
  readonly skewMs: number;
}

/** All that is decided before a schedule begins, so that it can be made smaller; what the network does is drawn while it runs. */
export interface Plan {
  readonly seed: number;
  readonly slots: readonly Slot[];
  readonly partitions: number;
  readonly maxInFlight: number;
  readonly maxUncommitted: number;
  readonly listeners: Readonly<Record<string, ListenerOptions>>;
  readonly sends: readonly Send[];
  readonly faults: readonly Fault[];
}

/** The virtual time in which messages are sent and faults made, in ms. */
export const BUSY_MS = 5_000;
export const LEASE_MS = 2_000;
export const TTL_MS = 60_000;
export const SESSION_MS = 2_500;
export const DRAIN_MS = 800;

export function planOf(seed: number): Plan {
  const random = new Random(Math.imul(seed, 0x9e3779b1) ^ 0x5bd1e995);
  const slots = slotsOf(random);
  const listeners = { work: optionsOf(random), events: optionsOf(random), nested: { ...optionsOf(random), concurrency: 8 } };
  const sends = Array.from({ length: 2 + random.below(9) }, (_, n) => sendOf(random, n, slots));
  const count = random.chance(0.25) ? 0 : 1 + random.below(5);
  const faults = Array.from({ length: count }, () => faultOf(random, slots));
  return {
    seed,
    slots,
    partitions: 1 + random.below(3),
    // A service that asks itself while nothing more may be in flight waits for itself.
    maxInFlight: slots.some(({ group, topics }) => group === 'stock' && topics.length > 1) ? 100 : random.pick([1, 2, 4, 100]),
    maxUncommitted: random.pick([4, 20, 1_000]),
    listeners,
    sends: sends.toSorted((one, other) => one.at - other.at),
    faults: faults.toSorted((one, other) => one.at - other.at),
  };
}

function slotsOf(random: Random): Slot[] {
  const bothAnswer = random.chance(0.1);
  const slot = (name: string, group: string, topics: readonly string[]): Slot => {
    return { name, group, topics, skewMs: random.chance(0.3) ? random.below(900) - 450 : 0 };
  };
  const slots: Slot[] = [];
  for (let index = 0, count = 1 + random.below(3); index < count; index++)
    slots.push(slot(`reports${index}`, 'reports', ['work', 'events']));
  slots.push(slot('stock0', 'stock', bothAnswer ? ['nested', 'work'] : ['nested']));
  for (let index = 0, count = 1 + random.below(2); index < count; index++) slots.push(slot(`web${index}`, 'web', []));
  return slots;
}

function optionsOf(random: Random): ListenerOptions {
  return {
    concurrency: random.pick([1, 1, 2, 5, 100]),
    order: random.pick<StreambackOrder>(['key', 'key', 'partition', 'none']),
    cancellable: !random.chance(0.12),
    maxBuffered: random.chance(0.2) ? 3 : 10_000,
    retry: { times: random.pick([0, 0, 1, 2]), delayMs: 50 + random.below(300), jitter: 0 },
    deadLetterTopic: random.chance(0.3) ? 'aside' : undefined,
  };
}

function sendOf(random: Random, n: number, slots: readonly Slot[]): Send {
  const kind = random.pick(['event', 'request', 'request', 'request', random.chance(0.15) ? 'malformed' : 'event'] as const);
  const clients = slots.filter(({ group }) => group === 'web' || random.chance(0.2));
  const fast = random.chance(0.6);
  return {
    n,
    at: random.chance(0.5) ? random.below(300) : random.below(BUSY_MS),
    slot: random.pick(clients.length > 0 ? clients : slots).name,
    kind,
    topic: kind === 'request' ? 'work' : random.pick(['events', kind === 'malformed' ? 'work' : 'events']),
    key: random.chance(0.6) ? `key${random.below(2)}` : null,
    timeoutMs: random.chance(0.25) ? 50 + random.below(4_000) : undefined,
    idleTimeoutMs: random.chance(0.1) ? 300 + random.below(2_000) : 20_000,
    credit: random.pick([1, 2, 4, 256]),
    behaviour: {
      kind: random.pick(['value', 'generator', 'generator', 'iterable', 'observable', 'respond', 'nested']),
      answers: random.chance(0.1) ? 0 : 1 + random.below(random.chance(0.2) ? 30 : 6),
      pauseMs: random.chance(0.5) ? 0 : random.chance(0.9) ? random.below(120) : random.below(1_500),
      failures: random.chance(0.75) ? 0 : random.chance(0.5) ? 1 : 100,
      failsAfter: random.below(3),
      asAnswer: random.chance(0.3),
      obeys: random.chance(0.8),
    },
    reading: {
      pulls: random.chance(0.5),
      pauseMs: fast ? 0 : random.below(80),
      stopsAfter: random.chance(0.12) ? random.below(4) : Infinity,
      stopsAtMs: random.chance(0.2) ? random.below(2_000) : Infinity,
    },
  };
}

function faultOf(random: Random, slots: readonly Slot[]): Fault {
  return { at: random.below(BUSY_MS), kind: random.pick(FAULTS), slot: random.pick(slots).name, forMs: 50 + random.below(2_000) };
}
