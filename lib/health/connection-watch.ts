import { within } from '../common/waiting';
import type { ConsumerFacts } from '../consumer/consumer-facts';
import { newInbox } from '../protocol/keys';
import type { FeedbackStream, InboxItem } from '../streams/feedback-stream';
import type { MainStream, StreamStatus } from '../streams/main-stream';
import { Probe, type ProbeOutcome } from './probe';
import { Stall } from './stall';
import type { ConnectionFacts } from './verdict';

/** What health needs of a connection. */
export interface HealthSource {
  readonly main: MainStream;
  readonly feedback?: FeedbackStream | undefined;
  /** There once something listens. */
  readonly consumer?: { facts(): ConsumerFacts; lag(): Promise<number | undefined> } | undefined;
}

/** No look takes longer, in ms. */
const LOOK_TIMEOUT_MS = 2_000;
/** Looks that come so soon after another share it, in ms: probes of many come often, and each asks the servers. */
const FRESH_MS = 1_000;
const NOTHING: InboxItem = { field: 'control', value: Buffer.from('{}') };

/** Looks at one connection: asks its servers, and gathers what its consumer knows of itself. */
export class ConnectionWatch {
  private readonly main: Probe;
  private readonly feedback?: Probe;
  private readonly stall = new Stall();
  private lag: number | undefined;
  private measuring: Promise<void> | undefined;
  private looking: Promise<ConnectionFacts> | undefined;

  constructor(private readonly source: HealthSource) {
    const { main, feedback } = source;
    this.main = new Probe(async () => main.ping?.(), LOOK_TIMEOUT_MS);
    // Nobody reads it, so nothing is stored; but a server that cannot be written to refuses it.
    if (feedback) this.feedback = new Probe(() => feedback.write(newInbox(), [NOTHING]), LOOK_TIMEOUT_MS);
  }

  /** What is known now, or was a moment ago. Takes {@link LOOK_TIMEOUT_MS} at most. */
  look(): Promise<ConnectionFacts> {
    if (this.looking) return this.looking;
    const looking = (this.looking = this.lookNow());
    const forget = (): void => void setTimeout(() => (this.looking = undefined), FRESH_MS).unref();
    looking.then(forget, forget);
    return looking;
  }

  private async lookNow(): Promise<ConnectionFacts> {
    const { main, feedback, consumer } = this.source;
    const end = performance.now() + LOOK_TIMEOUT_MS;
    const [mainAnswer, feedbackAnswer] = await Promise.all([this.askMain(end), this.feedback?.ask()]);
    const facts = consumer?.facts();
    const { lag } = this;
    return {
      main: { name: main.name, status: statusOf(main), answer: mainAnswer },
      feedback: feedback && feedbackAnswer && { name: feedback.name, status: statusOf(feedback), answer: feedbackAnswer },
      consumer: facts,
      lag,
      stalledMs: facts ? this.stall.look({ ...facts, lag }, performance.now()) : 0,
    };
  }

  /** A broker that is away is asked once, not for the lag as well. */
  private async askMain(end: number): Promise<ProbeOutcome> {
    const answer = await this.main.ask();
    this.lag = undefined;
    if (answer.kind === 'answered') await within(this.measure(), end - performance.now());
    return answer;
  }

  private measure(): Promise<void> {
    this.measuring ??= Promise.resolve(this.source.consumer?.lag())
      .then((lag) => void (this.lag = lag))
      .finally(() => (this.measuring = undefined));
    return this.measuring;
  }
}

function statusOf(stream: Pick<MainStream, 'onStatus'>): StreamStatus {
  let current: StreamStatus = 'disconnected';
  stream.onStatus((status) => (current = status))();
  return current;
}
