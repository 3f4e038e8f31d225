import type { Envelope } from '../protocol/envelope';
import type { MainStreamDelivery, MainStreamMessage } from '../streams/main-stream';
import type { DuplicateGuard } from './duplicate-guard';
import type { Listener } from './listener';
import type { RunOutcome } from './run-result';

/** One message on its way through its listener. */
export interface Task {
  readonly listener: Listener;
  readonly delivery: MainStreamDelivery;
  readonly envelope: Envelope;
  /** Tells doubles apart; absent where the message has none, and in what is sent again on purpose. */
  readonly id: string | undefined;
}

/** What is remembered of a message after a run of it. */
export const AFTERWARDS = { done: 'finished', failed: 'forgotten', again: 'released' } as const satisfies Record<
  RunOutcome,
  keyof DuplicateGuard
>;

/** What a message shares with those that it is never side by side with (M4); null: nothing. */
export function orderKey(listener: Listener, { key, partition }: MainStreamMessage): string | null {
  switch (listener.options.order) {
    case 'key':
      return key === null ? null : key.toString('latin1');
    case 'partition':
      return String(partition);
    case 'none':
      return null;
  }
}
