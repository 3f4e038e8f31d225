import { Kafka, logLevel } from 'kafkajs';
import type { Item, Message, Venue } from '../peer';

/** What crosses Kafka; an event has no `request`. */
export interface Request {
  readonly message: Message;
  readonly request?: { readonly id: number; readonly inbox: string };
}

/** What crosses Redis; the last answer of a request ends it. */
export interface Answer {
  readonly id: number;
  readonly value: Item;
  readonly end: boolean;
}

/** How answers become elements of the inbox list. */
export interface Form {
  /** All answers of a tick are one element, up to a bound; else each is one. */
  readonly packed: boolean;
}

export const kafkaOf = ({ brokers }: Venue): Kafka => new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING });
