import { processRole, type WorkerInfo } from '../common/process-role';
import type { DeadLetter } from '../consumer/dead-letter';
import type { Listener } from '../consumer/listener';
import type { Run } from '../consumer/run';
import type { HookOwner, Lifecycle } from '../lifecycle/lifecycle';
import type { ConnectionHooks, ListenerHooks } from '../lifecycle/told-hooks';
import type { TopicPartition } from '../streams/main-stream';
import type { StreambackConnection } from './connection';
import { StreambackContext } from './streamback.context';

type Owner = HookOwner<StreambackContext, DeadLetter>;

/** Which context a run has: its handler and all hooks are given the same. */
export const contextOf = (run: Run, pattern: string, connection: string): StreambackContext =>
  (run.context ??= new StreambackContext(run, pattern, connection)) as StreambackContext;

/** The hooks of an app, as its servers tell them. */
export class AppLifecycle {
  private started?: Promise<void> | undefined;
  private hasStarted = false;

  constructor(private readonly hooks: Lifecycle<StreambackContext, DeadLetter>) {}

  /**
   * Called by each server that starts; told once for the process. In a supervisor its ticks are told from then on.
   * @returns what is to be awaited before messages are taken; nothing where nobody has anything to do
   */
  startProcess(): Promise<void> | undefined {
    if (this.hasStarted) return this.started;
    this.hasStarted = true;
    const role = processRole();
    if (role.kind === 'worker') {
      this.started = this.hooks.caller('onWorkerStart')?.(workerInfo(role.assignment));
    } else if (role.kind === 'supervisor') {
      const tick = this.hooks.caller('onSupervisorTick');
      if (tick) role.supervisor.onTick((facts) => void tick(facts));
    }
    return this.started;
  }

  /** Nothing where nobody wants to hear of the listener's messages. */
  listenerHooks(connection: string, pattern: string): ListenerHooks<Run, DeadLetter> | undefined {
    const wants = (owner: Owner): boolean => isFor(owner, connection) && (owner.patterns?.has(pattern) ?? true);
    const context = (run: Run): StreambackContext => contextOf(run, pattern, connection);
    const begin = this.hooks.caller('onConsumeBegin', wants);
    const end = this.hooks.caller('onConsumeEnd', wants);
    const error = this.hooks.caller('onConsumeError', wants);
    const retry = this.hooks.caller('onRetry', wants);
    const cancel = this.hooks.caller('onCancel', wants);
    const deadLetter = this.hooks.caller('onDeadLetter', wants);
    if (![begin, end, error, retry, cancel, deadLetter].some(Boolean)) return undefined;
    return {
      begin: begin && ((run) => begin(context(run))),
      end: end && ((run, result) => end(context(run), result)),
      error: error && ((run, cause) => void error(context(run), cause)),
      retry: retry && ((run, facts) => void retry(context(run), facts)),
      cancel: cancel && ((run, reason) => void cancel(context(run), reason)),
      deadLetter: deadLetter && ((letter) => void deadLetter(letter)),
    };
  }

  /** @param listeners those of this process */
  connectionHooks(connection: string, listeners: readonly Listener[]): ConnectionHooks<DeadLetter> {
    const deadLetter = this.hooks.caller('onDeadLetter', (owner) => isFor(owner, connection) && owner.patterns === undefined);
    const patterns = new Map(listeners.map(({ topic, pattern }) => [topic, pattern]));
    const rebalances = this.hooks
      .having('onRebalance')
      .filter((owner) => isFor(owner, connection))
      .map((owner) => {
        const call = this.hooks.callerOf(owner, 'onRebalance');
        const own = (places: readonly TopicPartition[]): readonly TopicPartition[] =>
          owner.patterns ? places.filter(({ topic }) => owner.patterns!.has(patterns.get(topic) ?? '')) : places;
        return (change: { assigned: readonly TopicPartition[]; revoked: readonly TopicPartition[] }): void => {
          const [assigned, revoked] = [own(change.assigned), own(change.revoked)];
          if (assigned.length > 0 || revoked.length > 0) void call({ connection, assigned, revoked });
        };
      });
    return {
      deadLetter: deadLetter && ((letter) => void deadLetter(letter)),
      rebalance: rebalances.length > 0 ? (change) => rebalances.forEach((tell) => tell(change)) : undefined,
    };
  }

  /** A connection is about to take messages. @param listeners those of this process */
  listens({ main, options: { connection, group } }: StreambackConnection, listeners: readonly Listener[]): void {
    const role = processRole();
    const tellStats = this.hooks.caller('onStats');
    void this.hooks.caller('onListen', (owner) => isFor(owner, connection))?.({
      connection,
      group,
      worker: role.kind === 'worker' ? workerInfo(role.assignment) : null,
      patterns: listeners.map(({ pattern }) => pattern),
      lag: async () => {
        const topics = listeners.map(({ topic }) => topic);
        const lags = await main.lag?.(group, topics);
        return new Map(listeners.flatMap(({ pattern, topic }) => (lags?.has(topic) ? [[pattern, lags.get(topic)!]] : [])));
      },
      tellStats: (stats) => void tellStats?.(stats),
    });
  }
}

const isFor = (owner: Owner, connection: string): boolean => owner.connection === undefined || owner.connection === connection;

const workerInfo = ({ id, counter, patterns }: WorkerInfo): WorkerInfo => ({ id, counter, patterns });
