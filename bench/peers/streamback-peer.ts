import { NestFactory } from '@nestjs/core';
import { StreambackClient, StreambackModule, StreambackServer, type StreambackOptions } from 'nestjs-streamback';
import type { Item, Peer, Venue } from '../peer';
import { benchModule, type Providers } from './bench-module';
import { startNestClient } from './nest-client';

/** What is not left as it comes. */
export interface Settings {
  /** Of both sides. */
  readonly options?: Omit<Partial<StreambackOptions>, 'group' | 'streams'>;
  /** Of the server's module. */
  readonly providers?: Providers;
  /** Called before the server listens. */
  prepare?(server: StreambackServer): void;
}

/** This library on the streams that it is given, with its default options but for the settings. */
export function streambackPeer(streamsOf: (venue: Venue) => string, { options, providers, prepare }: Settings = {}): Peer {
  return {
    async startServer(venue) {
      const { group, topics } = venue;
      const imports = [StreambackModule.forRoot({ ...options, group, streams: streamsOf(venue) })];
      const module = benchModule(topics, (items) => items, imports, providers);
      const app = await NestFactory.createMicroservice(module, {
        logger: ['warn', 'error'],
        useFactory: (strategy: StreambackServer) => {
          prepare?.(strategy);
          return { strategy };
        },
        inject: [StreambackServer],
      });
      await app.listen();
      return () => app.close();
    },

    async startClient(venue) {
      const { topics } = venue;
      const client = new StreambackClient({ ...options, group: 'bench-client', streams: streamsOf(venue) });
      const started = await startNestClient(client, topics);
      return { ...started, read: (message) => client.open<Item>(topics.streams, message) };
    },
  };
}

/** The venue's Kafka, and its Redis for the answers. */
export const brokersOf = ({ brokers, redisUrl }: Venue): string => `main=kafka://${brokers.join(',')}&feedback=${redisUrl}`;
