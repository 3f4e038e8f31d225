import type { ClientProxy } from '@nestjs/microservices';
import { lastValueFrom } from 'rxjs';
import type { PeerClient, Topics } from '../peer';

/** Nest's client, whatever its transport. */
export function nestClient(client: Pick<ClientProxy, 'emit' | 'send' | 'close'>, topics: Topics): PeerClient {
  return {
    emit: (message) => lastValueFrom(client.emit(topics.events, message), { defaultValue: undefined }),
    ask: (kind, message, onAnswer) =>
      new Promise((resolve, reject) => {
        client.send(topics[kind], message).subscribe({ next: onAnswer, complete: resolve, error: reject });
      }),
    close: () => Promise.resolve(client.close()),
  };
}
