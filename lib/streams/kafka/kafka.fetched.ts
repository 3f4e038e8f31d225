import type { KafkaMessage } from 'kafkajs';

/** A message as kafkajs decodes it, before it leaves out what a consumer is not to see. */
export type FetchedMessage = KafkaMessage & {
  /** The mark of a transaction's end. */
  readonly isControlRecord?: boolean;
  readonly batchContext?: { readonly producerId: string; readonly inTransaction: boolean };
};

/** A partition's part of the answer to a fetch. */
export interface FetchedPartition {
  readonly highWatermark: string;
  readonly messages: readonly FetchedMessage[];
  /** Transactions that were given up, by where they begin. */
  readonly abortedTransactions?: readonly { readonly producerId: string; readonly firstOffset: string }[] | null;
}

/** The messages without marks and without those of transactions that were given up, which the broker leaves to its readers. */
export function committedMessages({ messages, abortedTransactions }: FetchedPartition): FetchedMessage[] {
  const begun = [...(abortedTransactions ?? [])].sort((a, b) => Number(a.firstOffset) - Number(b.firstOffset));
  const aborted = new Set<string>();
  return messages.filter(({ offset, isControlRecord, batchContext }) => {
    while (begun.length > 0 && Number(begun[0]!.firstOffset) <= Number(offset)) aborted.add(begun.shift()!.producerId);
    if (isControlRecord) {
      if (batchContext) aborted.delete(batchContext.producerId);
      return false;
    }
    return !(batchContext?.inTransaction && aborted.has(batchContext.producerId));
  });
}
