import type { StreamStatus } from '../main-stream';

/** The worse of two states is what the whole is in. */
const ORDER: readonly StreamStatus[] = ['disconnected', 'connected', 'rebalancing', 'reconnecting'];

/** The state of a stream, of that of its parts: a producer and any number of consumers. */
export class KafkaStatus {
  private readonly parts = new Map<string, StreamStatus>();
  private readonly listeners = new Set<(status: StreamStatus) => void>();
  private current: StreamStatus = 'disconnected';

  /** Notes the state of one part; `undefined`: it is gone. */
  set(part: string, status: StreamStatus | undefined): void {
    if (status === undefined) this.parts.delete(part);
    else this.parts.set(part, status);
    let worst = 0;
    for (const each of this.parts.values()) worst = Math.max(worst, ORDER.indexOf(each));
    const next = ORDER[worst]!;
    if (next === this.current) return;
    this.current = next;
    for (const listener of [...this.listeners]) listener(next);
  }

  /** Calls `listener` at once and with each change. Returns a function that ends it. */
  onChange(listener: (status: StreamStatus) => void): () => void {
    this.listeners.add(listener);
    listener(this.current);
    return () => void this.listeners.delete(listener);
  }
}
