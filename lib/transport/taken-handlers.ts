import type { ModulesContainer } from '@nestjs/core';
import { Server, type MessageHandler } from '@nestjs/microservices';
import { connectionOfTransport, DEFAULT_CONNECTION } from '../streamback.tokens';
import { EXTRAS_METADATA, patternMethods, TRANSPORT_METADATA } from './handler.explorer';

// Nest's own metadata key, which its packages do not export.
const PATTERN_METADATA = 'microservices:pattern';

type AddHandler = Server['addHandler'];

const noting = new WeakSet<AddHandler>();
/** The extras of handlers that some server was given; each prepared handler has its own. */
const taken = new WeakSet<object>();

/** Has the servers of every transport note which handlers they are given: what none is given gets no messages. */
export function noteTakenHandlers(): void {
  const server = Server.prototype;
  const own = server.addHandler;
  if (noting.has(own)) return;
  const notingAdd: AddHandler = function (this: Server, pattern: unknown, callback: MessageHandler, isEvent = false, extras = {}) {
    // Whatever a server of somebody else's is given: this must not be what breaks it.
    if (typeof extras === 'object' && (extras as unknown) !== null) taken.add(extras);
    return own.call(this, pattern, callback, isEvent, extras);
  };
  noting.add(notingAdd);
  server.addHandler = notingAdd;
}

/** The patterns of a connection's handlers that no server, of whatever transport, was given. */
export function untakenPatterns(modules: ModulesContainer, connection: string): unknown[] {
  const prototypes = new Set<object>();
  for (const { controllers } of modules.values()) {
    for (const { metatype } of controllers.values()) if (typeof metatype === 'function') prototypes.add(metatype.prototype as object);
  }
  return [...prototypes].flatMap((prototype) =>
    [...patternMethods(prototype)].flatMap(({ method }) => {
      const transport: unknown = Reflect.getMetadata(TRANSPORT_METADATA, method);
      const owner = transport === undefined ? DEFAULT_CONNECTION : connectionOfTransport(transport)?.name;
      const extras = Reflect.getMetadata(EXTRAS_METADATA, method) as object | undefined;
      if (owner !== connection || (extras && taken.has(extras))) return [];
      return Reflect.getMetadata(PATTERN_METADATA, method) as unknown[];
    }),
  );
}
