import { redact } from '../common/redact';
import { ConnectionWatch, type HealthSource } from './connection-watch';
import { live, ready, type ConnectionFacts, type StreambackConnectionHealth, type StreambackHealthStatus } from './verdict';

/** The health of all connections of an app. */
export interface StreambackHealthResult {
  /** Up where every connection is. */
  readonly status: StreambackHealthStatus;
  /** By the connection's name. */
  readonly connections: Readonly<Record<string, StreambackConnectionHealth>>;
}

/** Says how the connections of an app are, all of them; `StreambackModule` provides one. */
export class StreambackHealth {
  private readonly watches = new WeakMap<HealthSource, ConnectionWatch>();

  /** @param sources the connections by name, asked anew each time */
  constructor(private readonly sources: () => ReadonlyMap<string, HealthSource>) {}

  /**
   * Whether work can be taken and answered now: servers answer real commands, and what listens is in its group. For a readiness probe.
   * Never rejects; takes 2 s at most.
   */
  ready(): Promise<StreambackHealthResult> {
    return this.report(ready);
  }

  /**
   * Whether the process is worth keeping. Up while servers are away, which a restart does not mend; down where a consumer is stuck. For a
   * liveness probe. Never rejects; takes 2 s at most.
   */
  live(): Promise<StreambackHealthResult> {
    return this.report(live);
  }

  private async report(judge: (facts: ConnectionFacts) => StreambackConnectionHealth): Promise<StreambackHealthResult> {
    const entries = [...this.sources()].map(async ([name, source]) => [name, await this.judged(source, judge)] as const);
    const connections = Object.fromEntries(await Promise.all(entries));
    const isUp = Object.values(connections).every(({ status }) => status === 'up');
    return { status: isUp ? 'up' : 'down', connections };
  }

  private async judged(
    source: HealthSource,
    judge: (facts: ConnectionFacts) => StreambackConnectionHealth,
  ): Promise<StreambackConnectionHealth> {
    try {
      let watch = this.watches.get(source);
      if (!watch) this.watches.set(source, (watch = new ConnectionWatch(source)));
      return judge(await watch.look());
    } catch (error) {
      // A stream of one's own that throws where the contract says that it does not.
      const reason = redact(`Its health could not be told: ${String(error)}`);
      return {
        status: 'down',
        reason,
        main: 'down',
        feedback: source.feedback ? 'down' : null,
        assignedPartitions: null,
        heartbeatAgeMs: null,
        lag: null,
        inFlight: 0,
      };
    }
  }
}
