import type { Clock } from '../common/clock';
import type { SlotMap } from '../common/slots';
import type { FeedbackWriter } from '../inbox/feedback-writer';
import { encodeControl, type ControlMessage } from '../protocol/control-message';
import type { Frame } from '../protocol/frame';
import type { FeedbackStream } from '../streams/feedback-stream';
import type { PendingRequest } from './pending-request';

/** A grant is said again after so long, in ms, while nothing comes. */
const GRANT_AGAIN_MS = 1_000;
/** So many cancelled requests wait for the one write of their marks. */
const MAX_UNMARKED = 10_000;

export interface RemoteControlOptions {
  readonly leaseMs: number;
  /** Life of the marks that keep a queued request from being started, in ms. */
  readonly cancelTtlMs: number;
}

/** What this side says to the consumers of its requests, and how it notices that one is gone. */
export class RemoteControl {
  /** Cancelled in this tick, their consumers not known. */
  private unmarked: string[] = [];
  private marking = false;
  /** Requests whose grant is on its way: it is not said again meanwhile. */
  private readonly granting = new Set<string>();
  private readonly timers = new Map<() => void, unknown>();

  /** @param requests those in flight */
  constructor(
    private readonly requests: Pick<SlotMap<PendingRequest>, 'size' | 'values'>,
    private readonly feedback: FeedbackStream,
    private readonly writer: FeedbackWriter,
    private readonly options: RemoteControlOptions,
    private readonly clock: Clock,
  ) {}

  /** Told of a request: as long as there are any, it looks after them. */
  watch(): void {
    this.every(GRANT_AGAIN_MS, this.grantAgain);
    this.every(this.options.leaseMs / 2, this.lookForConsumers);
  }

  /**
   * Nobody waits for it any more: its handlers are stopped, or not started.
   * @param ended the run that was followed has come to its end; what else answers has not
   */
  cancel({ id, instance, unfollowed, isPart }: PendingRequest, ended: boolean): void {
    for (const consumer of unfollowed ?? []) if (consumer !== instance) this.tell(consumer, { control: 'cancel', id });
    if (ended) return;
    if (instance === undefined && !isPart) this.forsake(id);
    else if (instance !== undefined) this.tell(instance, { control: 'cancel', id });
  }

  grant({ id, key, instance }: PendingRequest, upTo: number): void {
    if (instance === undefined) return;
    if (this.tell(instance, { control: 'credit', id, upTo }, () => this.granting.delete(key))) this.granting.add(key);
  }

  /** A frame of a request that is not in flight: where a run begins with it, that is for nobody. */
  onStrayFrame({ id, instance, seq, event }: Frame): void {
    if (instance === undefined || seq !== 0 || event === 'response_end' || event === 'response_end_with_error') return;
    this.tell(instance, { control: 'cancel', id: id! });
  }

  close(): void {
    for (const timer of this.timers.values()) this.clock.clearTimeout(timer);
    this.timers.clear();
    void this.mark();
  }

  /** Whoever comes to it shall not begin it. */
  private forsake(id: string): void {
    if (this.unmarked.length >= MAX_UNMARKED) this.unmarked = [];
    if (this.unmarked.push(id) === 1 && !this.marking) setImmediate(() => void this.mark());
  }

  /** @returns false where too much waits already */
  private tell(instance: string, message: ControlMessage, written?: () => void): boolean {
    return this.writer.send({ form: 'inbox', key: instance }, encodeControl(message), written);
  }

  /** One write at a time, and the next gathers meanwhile: a server that is away must not be sent one for each tick. */
  private async mark(): Promise<void> {
    const ids = this.unmarked;
    this.unmarked = [];
    if (ids.length === 0) return;
    this.marking = true;
    // A mark that is not made costs a handler that runs for nobody until its first answer.
    await (async () => this.feedback.cancel(ids, this.options.cancelTtlMs))().catch(() => undefined);
    this.marking = false;
    void this.mark();
  }

  private readonly grantAgain = (): void => {
    const silentSince = this.clock.now() - GRANT_AGAIN_MS;
    for (const request of this.requests.values()) {
      if (request.isStarving && request.activeAt <= silentSince && !this.granting.has(request.key)) this.grant(request, request.upTo);
    }
  };

  /** One look-up for all that are silent, twice in each lease. */
  private readonly lookForConsumers = async (): Promise<void> => {
    const silentSince = this.clock.now() - this.options.leaseMs / 2;
    const waiting = this.requests.values().filter((request) => request.instance !== undefined && request.activeAt <= silentSince);
    if (waiting.length === 0) return;
    const instances = [...new Set(waiting.map(({ instance }) => instance!))];
    const alive = await (async () => this.feedback.alive(instances, this.options.leaseMs))().catch(() => undefined);
    if (!alive) return;
    for (const request of waiting) {
      if (request.instance === undefined || alive.has(request.instance)) continue;
      request.consumerLost();
      // Its message is delivered again, and nobody would wait for the answers.
      if (request.isOver && !request.isPart) this.forsake(request.id);
    }
  };

  private every(ms: number, work: () => void): void {
    if (this.timers.has(work)) return;
    const timer = this.clock.setTimeout(() => {
      this.timers.delete(work);
      if (this.requests.size === 0) return;
      work();
      this.every(ms, work);
    }, ms);
    this.timers.set(work, timer);
  }
}
