import { Logger } from '@nestjs/common';
import type { ClientProxy } from '@nestjs/microservices';
import { lastValueFrom } from 'rxjs';
import type { PeerClient, Topics } from '../peer';

/** What is used of Nest's client, whatever its transport. */
export type NestClient = Pick<ClientProxy, 'connect' | 'emit' | 'send' | 'close'>;

/** Resolves once it is connected. */
export async function startNestClient(client: NestClient, topics: Topics): Promise<PeerClient> {
  Logger.overrideLogger(['warn', 'error']);
  await client.connect();
  return {
    emit: (message) => lastValueFrom(client.emit(topics.events, message), { defaultValue: undefined }),
    ask: (kind, message, onAnswer) =>
      new Promise((resolve, reject) => {
        client.send(topics[kind], message).subscribe({ next: onAnswer, complete: resolve, error: reject });
      }),
    close: () => Promise.resolve(client.close()),
  };
}
