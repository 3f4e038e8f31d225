import type { StreambackModuleOptions } from '../../lib';
import { startApp, type AppMessage, type AppProcess } from '../support/app-process';
import { CANARY_PASSWORD } from '../support/canary';
import { startRedis, type RedisServer, type RedisServerOptions } from '../support/redis';

export interface AppState extends AppMessage {
  /** Resident memory, and the heap with its buffers. */
  readonly rssMb: number;
  readonly liveMb: number;
  readonly begun: number;
  readonly yielded: number;
  readonly events: number;
  readonly eventsTwice: number;
}

/** The processes and the Redis of one test, all gone after `close()`. */
export class Scene {
  readonly closers: (() => Promise<unknown>)[] = [];

  /** A Redis that wants the canary password. */
  async redis(options: RedisServerOptions = {}): Promise<RedisServer> {
    const redis = await startRedis({ password: CANARY_PASSWORD, ...options });
    this.closers.push(() => redis.close());
    return redis;
  }

  /** Starts `test/fault/apps/<name>.app.ts` and waits until it is ready. */
  async app(name: string, options: StreambackModuleOptions, ...more: string[]): Promise<AppProcess> {
    const app = await startApp(`test/fault/apps/${name}.app.ts`, {
      args: [JSON.stringify(options), ...more],
      execArgv: ['--expose-gc'],
    });
    this.closers.push(() => app.kill());
    await app.next('ready', 60_000);
    return app;
  }

  async close(): Promise<void> {
    for (const close of this.closers.splice(0).toReversed()) await close();
  }
}

/** @param collect garbage first, so that `liveMb` says what lives */
export function stateOf(app: AppProcess, collect = true): Promise<AppState> {
  app.send({ type: 'state', collect });
  return app.next<AppState>('state', 30_000);
}

/** `{ CONSUMER_LOST: 3, complete: 2 }` as text. */
export function tally(ends: Iterable<string>): string {
  const counts = new Map<string, number>();
  for (const end of ends) counts.set(end, (counts.get(end) ?? 0) + 1);
  return [...counts].map(([end, count]) => `${end} ${count}`).join(' + ') || 'none';
}

export const wait = (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms));
