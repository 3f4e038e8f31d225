import type { MemberHeartbeat } from '../streams/main-stream';

/** What a consumer knows of itself, for health. */
export interface ConsumerFacts {
  readonly group: string;
  /** Why it is not in its group, where trying has failed; it is tried again. */
  readonly failure: unknown;
  /** It was assigned at least once; from then on the stream keeps its membership. */
  readonly joined: boolean;
  /** It takes nothing more. */
  readonly closing: boolean;
  readonly assignedPartitions: number;
  /** Deliveries waiting and running. */
  readonly inFlight: number;
  /** Counts up with each delivery that is taken, and with each that ends. */
  readonly progress: number;
  /** Nothing where the stream has no such thing. */
  readonly heartbeat: MemberHeartbeat | undefined;
}
