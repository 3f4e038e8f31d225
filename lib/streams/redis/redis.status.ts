import type { StreambackLogger } from '../../common/logger';
import type { StreamStatus } from '../main-stream';
import { messageOf, toStreambackError } from './redis.errors';

type Listener = (status: StreamStatus) => void;

/** Knows which connections of a stream are up: tells the status, and logs an outage once when it begins and once when it ends. */
export class RedisStatus {
  private readonly up = new Set<object>();
  private readonly down = new Set<object>();
  private readonly listeners = new Set<Listener>();
  private status: StreamStatus = 'disconnected';
  private downSince = 0;
  private loggedCode: string | undefined;

  constructor(
    private readonly address: string,
    private readonly logger: StreambackLogger,
  ) {}

  isUp(connection: object): void {
    this.up.add(connection);
    this.down.delete(connection);
    this.noticeEnd();
    this.tell();
  }

  /** A connection that was up is not, or is still not. */
  isDown(connection: object, error: unknown): void {
    this.up.delete(connection);
    if (this.down.size === 0) this.downSince = performance.now();
    this.down.add(connection);
    const { code } = toStreambackError(error, this.address, 'UNREACHABLE');
    const line = `Redis at ${this.address} is away, trying again until it is back: ${messageOf(error)}`;
    // Loud again only when the reason is another one: refused credentials after a cut are news, the tenth refused socket is not.
    if (this.loggedCode === code) this.logger.debug(line);
    else this.logger.error(line);
    this.loggedCode = code;
    this.tell();
  }

  /** A connection is not wanted any more. */
  forget(connection: object): void {
    this.up.delete(connection);
    this.down.delete(connection);
    this.noticeEnd();
    this.tell();
  }

  onStatus(listener: Listener): () => void {
    // A wrapper, so that one function may listen twice.
    const own: Listener = (status) => listener(status);
    this.listeners.add(own);
    listener(this.status);
    return () => void this.listeners.delete(own);
  }

  private noticeEnd(): void {
    if (this.down.size > 0 || this.loggedCode === undefined) return;
    this.loggedCode = undefined;
    if (this.up.size === 0) return;
    this.logger.log(`Redis at ${this.address} is back after ${Math.round(performance.now() - this.downSince)} ms`);
  }

  private tell(): void {
    const status = this.down.size > 0 ? 'reconnecting' : this.up.size > 0 ? 'connected' : 'disconnected';
    if (status === this.status) return;
    this.status = status;
    for (const listener of [...this.listeners]) listener(status);
  }
}
