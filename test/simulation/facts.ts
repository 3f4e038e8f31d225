import type { StreambackAbortError } from '../../lib/common/errors';
import type { Send } from './plan';
import type { Actor } from './world';

/** One execution of a handler. */
export interface Execution {
  readonly id: number;
  readonly n: number;
  readonly group: string;
  readonly actor: Actor;
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly key: string | null;
  readonly rank: number;
  readonly attempt: number;
  readonly requestId: string | undefined;
  /** Epoch ms by the requester's clock, or Infinity. */
  readonly deadline: number;
  readonly startedAt: number;
  emitted: number;
  /** What it threw. */
  failure?: unknown;
  endedAt?: number;
  aborted?: { readonly reason: StreambackAbortError; readonly at: number };
}

/** What became of a request, as its reader saw it. */
export interface LaneFact {
  readonly send: Send;
  readonly actor: Actor;
  readonly sentAt: number;
  readonly deadline: number;
  id: string;
  /** Whether the producer has done with it: a slow reader sees that later. */
  isOver: () => boolean;
  readonly values: string[];
  lastAt: number;
  outcome?: 'complete' | 'closed' | { readonly error: unknown };
  endedAt: number;
}

/** What was seen, by everybody: no process knows all of it. */
export class Facts {
  readonly sends = new Map<number, Send>();
  /** Messages that the broker has acknowledged. */
  readonly acknowledged = new Set<number>();
  readonly executions: Execution[] = [];
  readonly lanes = new Map<number, LaneFact>();
  readonly lanesById = new Map<string, LaneFact>();
  /** Requests whose end was stored, or whose inbox was gone at a try. */
  readonly ended = new Set<string>();
  /** Inboxes whose process somebody was told to be dead, be it only cut off for a lease. */
  readonly heldDead = new Set<string>();
  /** The credit that was said to consumers, by request. */
  readonly credit = new Map<string, number>();
  /** When the mark of a cancelled request was stored. */
  readonly marked = new Map<string, number>();
  /** By number; how often. */
  readonly deadLetters = new Map<number, number>();
  /** Offsets that a group has settled, by its name and the place. */
  private readonly settledOffsets = new Map<string, Set<number>>();
  /** Kinds of faults that were made. */
  readonly faults = new Set<string>();
  /** The last moment at which a fault was at work. */
  faultyUntil = -Infinity;

  settled(place: string): Set<number> {
    let offsets = this.settledOffsets.get(place);
    if (!offsets) this.settledOffsets.set(place, (offsets = new Set()));
    return offsets;
  }

  of(n: number): Execution[] {
    return this.executions.filter((execution) => execution.n === n);
  }

  /** Some execution of the message has come to its end. */
  isHandled(n: number, group: string): boolean {
    return this.executions.some((each) => each.n === n && each.group === group && isWhole(each));
  }
}

/** It came to its end by itself, and did not fail. */
export const isWhole = ({ endedAt, aborted, failure }: Execution): boolean =>
  endedAt !== undefined && failure === undefined && (aborted === undefined || aborted.at >= endedAt);
