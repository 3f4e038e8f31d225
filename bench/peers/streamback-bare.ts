import { brokersOf, streambackPeer } from './streamback-peer';

/** More than any workload has in flight or answers with, so that no bound is ever met. */
const PLENTY = 65_536;

/** Whatever an option can switch off is off, and what cannot be is as wide as it gets. */
export const peer = streambackPeer(brokersOf, {
  options: {
    defaultListenerOptions: { concurrency: PLENTY, order: 'none', cancellable: false, maxBuffered: PLENTY, deadLetterTopic: false },
    defaultRequestOptions: { credit: PLENTY, idleTimeoutMs: 2 ** 31 - 1 },
    maxInFlight: PLENTY,
    maxPendingBytes: Number.MAX_SAFE_INTEGER,
    kafka: { maxUncommitted: Number.MAX_SAFE_INTEGER },
  },
});
