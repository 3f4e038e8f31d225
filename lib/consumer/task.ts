import type { Envelope } from '../protocol/envelope';
import type { MainStreamDelivery } from '../streams/main-stream';
import type { Listener } from './listener';

/** One message on its way through its listener. */
export interface Task {
  readonly listener: Listener;
  readonly delivery: MainStreamDelivery;
  readonly envelope: Envelope;
  /** Tells doubles apart; absent where the message has none, and in what is sent again on purpose. */
  readonly id: string | undefined;
}
