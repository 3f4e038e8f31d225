import type { KafkaMessage } from 'kafkajs';
import type { MainStreamDelivery, MainStreamMessage, MessageHeader } from '../main-stream';
import { FetchedRecord, NO_HEADERS } from './kafka.fetched-record';
import type { Tracked } from './kafka.offset-tracker';

/** Who is told of a delivery's end. */
export interface DeliveryOwner {
  onSettle(delivery: KafkaDelivery): void;
  onRelease(delivery: KafkaDelivery): void;
}

/** One message as handed over, until it is settled, released, or its partition is gone. */
export class KafkaDelivery implements MainStreamDelivery, Tracked {
  sequence = -1;
  private ended = false;

  /** @param revoked one signal for all deliveries of the partition: a signal each would cost more than a small handler */
  constructor(
    readonly message: MainStreamMessage,
    readonly offset: number,
    readonly revoked: AbortSignal,
    private readonly owner: DeliveryOwner,
  ) {}

  settle(): void {
    if (this.ended) return;
    this.ended = true;
    this.owner.onSettle(this);
  }

  release(): void {
    if (this.ended) return;
    this.ended = true;
    this.owner.onRelease(this);
  }

  /** The message is not ours any more: what comes of it from now on does not count. */
  end(): void {
    this.ended = true;
  }
}

/** A fetched message in the contract's form. */
export function toMainStreamMessage(topic: string, partition: number, message: KafkaMessage, rank: number): MainStreamMessage {
  const own = message instanceof FetchedRecord;
  return {
    topic,
    partition,
    offset: message.offset,
    timestamp: own ? message.time : Number(message.timestamp),
    key: message.key,
    value: message.value,
    headers: own ? message.headerList : toHeaders(message.headers),
    rank,
  };
}

function toHeaders(headers: KafkaMessage['headers']): readonly MessageHeader[] {
  let list: MessageHeader[] | undefined;
  for (const name in headers) {
    const value: unknown = headers[name];
    if (Buffer.isBuffer(value)) (list ??= []).push([name, value]);
    else if (value === null) (list ??= []).push([name, Buffer.alloc(0)]);
    // kafkajs finds `constructor` and the like on the plain object that it collects headers in, and lists that first.
    else if (Array.isArray(value)) for (const each of value as unknown[]) if (Buffer.isBuffer(each)) (list ??= []).push([name, each]);
  }
  return list ?? NO_HEADERS;
}
