import { brokersOf, streambackPeer } from './streamback-peer';

/** More answers than any workload has: nobody waits for credit, and none is given. */
const NO_CREDIT_NEEDED = 65_536;

/** Machinery that an option can switch off is off. Bounds are as they are by default: they decide how much travels together, which is another matter. */
export const peer = streambackPeer(brokersOf, {
  options: {
    defaultListenerOptions: { order: 'none', cancellable: false, deadLetterTopic: false },
    defaultRequestOptions: { credit: NO_CREDIT_NEEDED, idleTimeoutMs: 2 ** 31 - 1 },
  },
});
