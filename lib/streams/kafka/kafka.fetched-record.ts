import type { KafkaMessage } from 'kafkajs';
import type { MessageHeader } from '../main-stream';

export const NO_HEADERS: readonly MessageHeader[] = [];

/** What the records of a batch have in common. */
export interface RecordContext {
  readonly producerId: string;
  readonly inTransaction: boolean;
  /** Its records are marks of a transaction's end. */
  readonly isControlBatch: boolean;
}

/**
 * A record as it is needed here. What kafkajs has as text or as an object is made of it when it is asked for, which it hardly ever is:
 * so it can be taken for kafkajs' own message.
 */
export class FetchedRecord implements Omit<KafkaMessage, 'size'> {
  constructor(
    /** Its offset. */
    readonly place: number,
    /** Epoch ms. */
    readonly time: number,
    readonly key: Buffer | null,
    readonly value: Buffer | null,
    /** In the order of the record; a header without a value has an empty one. */
    readonly headerList: readonly MessageHeader[],
    readonly batchContext: RecordContext,
  ) {}

  get offset(): string {
    return String(this.place);
  }

  get timestamp(): string {
    return String(this.time);
  }

  get isControlRecord(): boolean {
    return this.batchContext.isControlBatch;
  }

  /** Nothing is said in a record's own attributes. */
  get attributes(): number {
    return 0;
  }

  get headers(): Record<string, Buffer | Buffer[]> {
    const headers = new Map<string, Buffer | Buffer[]>();
    for (const [name, value] of this.headerList) {
      const before = headers.get(name);
      headers.set(name, before === undefined ? value : Array.isArray(before) ? [...before, value] : [before, value]);
    }
    return Object.fromEntries(headers);
  }
}

/**
 * kafkajs looks for records before the offset that it asked for, with two Long objects for each record: one look at the first
 * is enough where they ascend. No other filter is asked of the list; what that makes of it is an array like any other.
 */
export function ascending(records: FetchedRecord[]): FetchedRecord[] {
  return Object.defineProperty(records, 'filter', { value: fromFirst });
}

function fromFirst(this: FetchedRecord[], keep: (record: FetchedRecord, index: number, all: FetchedRecord[]) => boolean): FetchedRecord[] {
  if (this.length === 0 || keep(this[0]!, 0, this)) return this.slice();
  return Array.prototype.filter.call(this, keep) as FetchedRecord[];
}
