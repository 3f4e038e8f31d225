import { setTimeout as pause } from 'node:timers/promises';
import { PassThrough } from 'node:stream';
import type { Item, Message, PeerClient } from './peer';

/** Reads a stream to its end, with a pause after each item; where a peer cannot be pulled, its items wait in this process. */
export async function readAll(client: PeerClient, message: Message, onItem: (item: Item) => void, itemDelayMs: number): Promise<void> {
  for await (const item of client.read?.(message) ?? queued(client, message)) {
    onItem(item);
    await pause(itemDelayMs);
  }
}

function queued(client: PeerClient, message: Message): AsyncIterable<Item> {
  const waiting = new PassThrough({ objectMode: true });
  client
    .ask('streams', message, (item) => waiting.write(item))
    .then(
      () => waiting.end(),
      (error: unknown) => waiting.destroy(error as Error),
    );
  return waiting;
}
