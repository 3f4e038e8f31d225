import type { Consumer } from 'kafkajs';
import { StreambackConnectionError } from '../../common/errors';

/** So many looks make the limit: counted rather than timed, so that a process which was frozen is not taken for a silent broker. */
const LOOKS = 10;
/** What a join begins with, and its two answers; whatever it waits for, each is there within the rebalance timeout. */
const JOIN_REQUESTS: ReadonlySet<string> = new Set(['GroupCoordinator', 'JoinGroup', 'SyncGroup']);

export interface WatchdogOptions {
  readonly consumer: Pick<Consumer, 'on' | 'events'>;
  /** The brokers that are fetched from now; another one's fetch was given up. */
  readonly nodes: () => readonly string[];
  /** Nothing legitimate takes longer, in ms. */
  readonly limitMs: number;
}

/**
 * Notices that a kafkajs consumer stands still: not one fetch, heartbeat or step of a join was answered for too long, or the fetches
 * from one broker never are while those from others go on. kafkajs itself waits for ever for what it has lost.
 */
export class KafkaWatchdog {
  /** Resolves, when that happens, with an error that says so. */
  readonly silence: Promise<StreambackConnectionError>;
  private readonly timer: NodeJS.Timeout;
  private looks = 0;
  /** Looks since the first fetch from a broker that was not answered. */
  private readonly fetches = new Map<string, number>();
  private report!: (error: StreambackConnectionError) => void;

  constructor(private readonly options: WatchdogOptions) {
    const { consumer, limitMs } = options;
    const { FETCH_START, FETCH, HEARTBEAT, GROUP_JOIN, REQUEST } = consumer.events;
    consumer.on(FETCH_START, ({ payload: { nodeId } }) => {
      if (!this.fetches.has(String(nodeId))) this.fetches.set(String(nodeId), 0);
    });
    consumer.on(FETCH, ({ payload: { nodeId } }) => {
      this.fetches.delete(String(nodeId));
      this.looks = 0;
    });
    consumer.on(HEARTBEAT, () => void (this.looks = 0));
    consumer.on(GROUP_JOIN, () => this.joining());
    consumer.on(REQUEST, ({ payload }) => {
      if (JOIN_REQUESTS.has(payload.apiName)) this.joining();
    });
    this.silence = new Promise((resolve) => (this.report = resolve));
    this.timer = setInterval(() => this.look(), limitMs / LOOKS);
  }

  /** Looks no more. */
  stop(): void {
    clearInterval(this.timer);
  }

  /** No fetch is answered before the join is over. */
  private joining(): void {
    this.looks = 0;
    this.fetches.clear();
  }

  private look(): void {
    const nodes = new Set(this.options.nodes());
    for (const [node, looks] of this.fetches) {
      if (!nodes.has(node)) this.fetches.delete(node);
      else this.fetches.set(node, looks + 1);
    }
    this.looks += 1;
    if (Math.max(this.looks, ...this.fetches.values()) <= LOOKS) return;
    this.stop();
    this.report(new StreambackConnectionError('UNREACHABLE', `Kafka was silent for ${this.options.limitMs} ms`));
  }
}
