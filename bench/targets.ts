import { REFERENCE, SUBJECT } from './peers';

/** What of a peer is compared. The first three are of a workload, the others of the peer as a whole. */
export type Measure = 'rate' | 'p50' | 'first item' | 'RSS after load' | 'start to first answer' | 'idle client, %' | 'idle server, %';

/** What the library has to reach beside another peer: a bound on the ratio of their measures, or on the difference where it is idle. */
export interface Target {
  readonly workload?: string;
  readonly measure: Measure;
  readonly against: string;
  /** The other's workload, where it is another one. */
  readonly againstWorkload?: string;
  readonly atLeast?: number;
  readonly atMost?: number;
}

const rate = (workload: string, atLeastOf: Readonly<Record<string, number>>): Target[] =>
  Object.entries(atLeastOf).map(([against, atLeast]) => ({ workload, measure: 'rate', against, atLeast }));
const p50 = (workload: string, atMostOf: Readonly<Record<string, number>>): Target[] =>
  Object.entries(atMostOf).map(([against, atMost]) => ({ workload, measure: 'p50', against, atMost }));

export const TARGETS: readonly Target[] = [
  ...rate('oneway', { [REFERENCE]: 0.85, 'nest-kafka': 7, 'nest-nats': 1.3 }),
  ...p50('rpc1', { [REFERENCE]: 1.25, 'nest-kafka': 0.2, 'nest-redis': 3.5 }),
  ...rate('rpc10', { [REFERENCE]: 0.75, 'nest-kafka': 18 }),
  ...rate('rpc100', { [REFERENCE]: 0.7, 'nest-kafka': 9, 'nest-nats': 1, 'nest-redis': 1 }),
  ...rate('rpc1000', { [REFERENCE]: 0.6, 'nest-kafka': 9, 'nest-nats': 1.4 }),
  ...rate('rpc10000', { [REFERENCE]: 0.6, 'nest-kafka': 8 }),
  // More in flight than one process can work on must not slow it down much.
  { workload: 'rpc10000', measure: 'rate', against: SUBJECT, againstWorkload: 'rpc1000', atLeast: 0.85 },
  ...rate('stream100', { [REFERENCE]: 1, 'nest-kafka': 25, 'nest-nats': 1.8 }),
  ...rate('stream10k', { [REFERENCE]: 1, 'nest-kafka': 90, 'nest-tcp': 2 }),
  { workload: 'stream10k', measure: 'first item', against: REFERENCE, atMost: 2 },
  ...rate('rpc100-16k', { [REFERENCE]: 1, 'nest-kafka': 2, 'nest-redis': 0.9 }),
  ...rate('rpc100-64k', { [REFERENCE]: 1, 'nest-kafka': 2, 'nest-redis': 0.9 }),
  { measure: 'RSS after load', against: REFERENCE, atMost: 1.3 },
  { measure: 'start to first answer', against: 'nest-kafka', atMost: 1.2 },
  // One percent of a core beside what kafkajs takes by itself.
  { measure: 'idle client, %', against: REFERENCE, atMost: 1 },
  { measure: 'idle server, %', against: REFERENCE, atMost: 1 },
];
