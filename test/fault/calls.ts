import type { StreambackModuleOptions } from '../../lib';
import type { AppProcess } from '../support/app-process';
import { eventually } from '../support/eventually';
import { freshName } from '../support/fresh-name';
import type { RedisServer } from '../support/redis';
import { type Scene, stateOf, tally, wait } from './apps';
import type { CallEnd, Calls } from './apps/caller.app';

/** A service and a client in processes of their own, with so many calls in flight. */
export class CallsInFlight {
  private peakMb = { service: 0, caller: 0 };
  private baseMb = { service: 0, caller: 0 };
  private watching: Promise<void> | undefined;
  private over = false;

  private constructor(
    private readonly service: AppProcess,
    private readonly caller: AppProcess,
    readonly count: number,
  ) {}

  static async create(scene: Scene, kafkaUrl: string, redis: RedisServer, count: number): Promise<CallsInFlight> {
    const group = freshName('calls');
    const options: StreambackModuleOptions = {
      group,
      topicsPrefix: group,
      streams: `main=${kafkaUrl}&feedback=${redis.url}`,
      maxInFlight: 2 * count,
      defaultListenerOptions: { concurrency: 2 * count },
      kafka: { partitions: 2 },
    };
    const service = await scene.app('service', options);
    const calls = new CallsInFlight(service, await scene.app('caller', { ...options, group: 'caller' }), count);
    // As much as will be in flight, so that what memory grows by then is due to the fault.
    for (let round = 0; round < 3; round++) await calls.end(Array.from({ length: count }, () => ({ ms: 100, timeoutMs: 30_000 })));
    calls.baseMb = await calls.rssMb();
    return calls;
  }

  /** Starts them, and resolves when all handlers run. */
  async begin(calls: Calls['calls']): Promise<void> {
    const { begun } = await stateOf(this.service);
    this.caller.send({ type: 'calls', calls });
    await eventually('all handlers run', async () => (await stateOf(this.service)).begun - begun >= calls.length, {
      timeoutMs: 30_000,
      intervalMs: 100,
    });
    this.over = false;
    this.watching = this.watch();
  }

  /** How they ended, when all have; fails where one hangs. */
  async ended(timeoutMs: number): Promise<readonly CallEnd[]> {
    const { ends } = await this.caller.next<{ type: string; ends: readonly CallEnd[] }>('ended', timeoutMs);
    this.over = true;
    await this.watching;
    return ends;
  }

  async end(calls: Calls['calls']): Promise<readonly CallEnd[]> {
    this.caller.send({ type: 'calls', calls });
    return this.ended(60_000);
  }

  counts(ends: readonly CallEnd[]) {
    const failed = ends.filter(({ end }) => end !== 'complete');
    return {
      calls: ends.length,
      ends: tally(ends.map(({ end }) => end)),
      hanging: this.count - ends.length,
      wrong: ends.filter(({ end, answers, wrong }) => wrong > 0 || answers > 1 || (end === 'complete' && answers === 0)).length,
      latestFailureAfterDeadlineMs: Math.round(Math.max(...failed.map(({ lateMs }) => lateMs))),
      serviceGrewMb: Math.round(this.peakMb.service - this.baseMb.service),
      clientGrewMb: Math.round(this.peakMb.caller - this.baseMb.caller),
    };
  }

  private async rssMb(): Promise<{ service: number; caller: number }> {
    const [service, caller] = await Promise.all([stateOf(this.service, false), stateOf(this.caller, false)]);
    return { service: service.rssMb, caller: caller.rssMb };
  }

  private async watch(): Promise<void> {
    while (!this.over) {
      const { service, caller } = await this.rssMb();
      this.peakMb = { service: Math.max(this.peakMb.service, service), caller: Math.max(this.peakMb.caller, caller) };
      await wait(250);
    }
  }
}
