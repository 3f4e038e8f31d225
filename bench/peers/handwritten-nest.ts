import { HandwrittenNestClient } from './handwritten-nest-client';
import { HandwrittenNestServer } from './handwritten-nest-server';
import type { Form } from './handwritten-wire';
import { nestPeer } from './nest-peer';

const FORM: Form = { packed: false };

/** The loop by hand with Nest on both sides, and nothing else: what is left for any transport of Nest's on Kafka and Redis. */
export const peer = nestPeer(
  (venue) => ({ strategy: new HandwrittenNestServer(venue, FORM) }),
  (venue) => new HandwrittenNestClient(venue, FORM),
);
