import { SILENT_LOGGER } from '../../lib/common/logger';
import { Consumer } from '../../lib/consumer/consumer';
import type { Listener } from '../../lib/consumer/listener';
import { FeedbackWriter } from '../../lib/inbox/feedback-writer';
import { Inbox } from '../../lib/inbox/inbox';
import { Producer } from '../../lib/producer/producer';
import { DRAIN_MS, LEASE_MS, TTL_MS, type Slot } from './plan';
import { AnAnswer, type Handlers } from './handlers';
import type { Simulation } from './simulation';
import { SimFeedbackStream, SimMainStream } from './sim-streams';
import type { Actor } from './world';

/** One process: what a connection puts together, on streams of the simulation. */
export class SimProcess implements Actor {
  dead = false;
  frozenUntil = 0;
  readonly skewMs: number;
  readonly producer: Producer;
  readonly consumer: Consumer | undefined;
  readonly main: SimMainStream;
  private readonly feedback: SimFeedbackStream;
  private readonly inbox: Inbox;
  private readonly writer: FeedbackWriter;
  private closing?: Promise<void>;
  isClosed = false;

  constructor(
    readonly name: string,
    readonly slot: Slot,
    simulation: Simulation,
    handlers: Handlers,
  ) {
    const { plan, broker, server, checks } = simulation;
    const { group, topics, skewMs } = slot;
    this.skewMs = skewMs;
    // What is made here sets timers of this process.
    simulation.world.current = this;
    this.main = new SimMainStream(this, broker, plan.maxUncommitted, checks);
    this.feedback = new SimFeedbackStream(this, server);
    this.inbox = new Inbox(this.feedback, { leaseMs: LEASE_MS, ttlMs: TTL_MS, logger: SILENT_LOGGER });
    this.writer = new FeedbackWriter(this.feedback, TTL_MS, SILENT_LOGGER);
    const { feedback: stream, inbox, writer } = this;
    this.producer = new Producer(
      this.main,
      { stream, inbox, writer },
      { group, topicsPrefix: '', maxMessageBytes: 1e6, defaults: {}, leaseMs: LEASE_MS, cancelTtlMs: TTL_MS },
    );
    if (topics.length === 0) return;
    const listeners = topics.map((topic): Listener => {
      return { pattern: topic, topic, options: plan.listeners[topic]!, handle: (run) => handlers.handle(run, this) };
    });
    this.consumer = new Consumer(this.main, { stream, inbox, writer }, listeners, {
      group,
      maxInFlight: plan.maxInFlight,
      drainTimeoutMs: DRAIN_MS,
      leaseMs: LEASE_MS,
      maxAnswerBytes: 1e6,
      logger: SILENT_LOGGER,
      // Virtual time does not pass while work goes on.
      turn: { isOver: () => false },
      isAnswer: (error) => error instanceof AnAnswer,
      errorValue: (error) => ({ status: 'error', message: error instanceof Error ? error.message : String(error) }),
    });
  }

  /** Whether control sent to it arrives. */
  get isReachable(): boolean {
    return this.inbox.isOpen;
  }

  get isUp(): boolean {
    return !this.dead && this.closing === undefined;
  }

  /** Resolves once it is ready for requests; tries again as an app that is started again would. */
  async start(): Promise<void> {
    while (!this.closing) {
      try {
        await this.producer.connect();
        return await this.consumer?.start();
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
  }

  /** As a connection closes. */
  close(): Promise<void> {
    this.closing ??= (async () => {
      await this.consumer?.close();
      this.producer.close();
      await this.writer.close();
      await this.inbox.close();
      await Promise.all([this.main.close(), this.feedback.close()]);
      this.isClosed = true;
    })();
    return this.closing;
  }

  /** What is left in its maps once it has closed: nothing. */
  leftOver(): string[] {
    const { requests, control } = this.producer as unknown as {
      requests: Map<string, unknown>;
      control: { timers: Map<unknown, unknown> };
    };
    const { channels } = this.writer as unknown as { channels: Map<string, unknown> };
    const left: Record<string, number> = { requests: requests.size, 'control timers': control.timers.size, channels: channels.size };
    if (this.consumer) {
      const { registry, bound } = this.consumer as unknown as {
        registry: { requests: Map<string, unknown> };
        bound: Map<
          string,
          {
            order: { waiting: Map<string, unknown>; running: number; ready: { size: number } };
            duplicates: Record<'recent' | 'elder', Map<string, unknown>>;
          }
        >;
      };
      left.runs = registry.requests.size;
      for (const [topic, { order, duplicates }] of bound) {
        left[`keys of ${topic}`] = order.waiting.size;
        left[`slots of ${topic}`] = order.running;
        left[`ready of ${topic}`] = order.ready.size;
        left[`claims of ${topic}`] = [...duplicates.recent.values(), ...duplicates.elder.values()].filter(
          (state) => state !== 'done',
        ).length;
      }
    }
    return Object.entries(left)
      .filter(([, count]) => count !== 0)
      .map(([what, count]) => `${count} ${what}`);
  }
}
