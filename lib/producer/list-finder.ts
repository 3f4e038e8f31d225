import type { Clock } from '../common/clock';
import { StreambackLaneError } from '../common/errors';
import type { SlotMap } from '../common/slots';
import { feedbackTopicOf } from '../protocol/keys';
import type { FeedbackStream } from '../streams/feedback-stream';
import type { PendingRequest } from './pending-request';

/** Between looks, in ms. A consumer of ours says within 50 ms that a handler runs: who is silent for longer waits, or is none of ours. */
const LOOK_MS = 200;
/**
 * A request that stays unanswered is looked after less and less often, up to this, in ms. So long may also one be silent at first whose
 * pattern has been answered by inbox: it waits for its turn, as a rule.
 */
const MAX_LOOK_MS = 2_000;
/** The most lists of one look. */
const MAX_LOOKED_AT = 1_000;
/** So long after the last answer in a list its pattern is taken to be answered so, in ms. */
const REMEMBERED_MS = 600_000;
const MAX_REMEMBERED = 1_000;

/**
 * Finds out which patterns are answered in feedback lists although their requests name an inbox: Python streamback does not know inboxes. A
 * request that is answered pays nothing for it; one that is silent costs a look at whether its list is there, for all of them at once.
 */
export class ListFinder {
  private readonly known = new Map<string, number>();
  /** Patterns that have been answered by inbox. */
  private readonly answered = new Set<string>();
  private readonly nextLook = new WeakMap<PendingRequest, { readonly at: number; readonly waitMs: number }>();
  private timer: unknown;
  private closed = false;

  /**
   * @param requests those in flight
   * @param onFound its answers are in its list
   */
  constructor(
    private readonly requests: Pick<SlotMap<PendingRequest>, 'size' | 'values'>,
    private readonly feedback: FeedbackStream,
    private readonly clock: Clock,
    private readonly onFound: (request: PendingRequest) => void,
  ) {}

  /** Whether requests of a pattern were answered in lists not long ago. */
  isKnown(pattern: string): boolean {
    const until = this.known.get(pattern);
    if (until === undefined) return false;
    if (until > this.clock.now()) return true;
    this.known.delete(pattern);
    return false;
  }

  /** Told of a request: as long as there are any, it looks. */
  watch(): void {
    if (this.timer !== undefined || this.closed || !this.feedback.filledLists) return;
    this.timer = this.clock.setTimeout(() => {
      this.timer = undefined;
      void this.look().finally(() => {
        if (this.requests.size > 0) this.watch();
      });
    }, LOOK_MS);
  }

  /** A request is over: what it has shown is remembered. */
  onOver({ pattern, isPlain, isUnanswered, instance }: PendingRequest): void {
    if (isPlain) return this.remember(pattern);
    // Nobody was heard: who answers now may be another, and the next one is looked after as soon as the first was.
    if (isUnanswered) this.answered.delete(pattern);
    if (instance === undefined || this.answered.has(pattern)) return;
    if (this.answered.size >= MAX_REMEMBERED) this.answered.clear();
    this.answered.add(pattern);
  }

  close(): void {
    this.closed = true;
    this.clock.clearTimeout(this.timer);
  }

  private remember(pattern: string): void {
    if (this.known.size >= MAX_REMEMBERED) this.known.clear();
    this.known.set(pattern, this.clock.now() + REMEMBERED_MS);
    this.answered.delete(pattern);
  }

  /** Never rejects. */
  private async look(): Promise<void> {
    const silent = this.silent();
    if (silent.length === 0) return;
    const lists = silent.map(({ id }) => feedbackTopicOf(id));
    const filled = await (async () => this.feedback.filledLists!(lists))().catch(() => new Set<string>());
    for (const request of silent) {
      if (request.isOver || !request.isUnanswered || !filled.has(feedbackTopicOf(request.id))) continue;
      if (request.hasChosenForm) request.fail(unsupported(request.pattern));
      else {
        this.remember(request.pattern);
        this.onFound(request);
      }
    }
  }

  private silent(): PendingRequest[] {
    const now = this.clock.now();
    const silent: PendingRequest[] = [];
    for (const request of this.requests.values()) {
      if (silent.length === MAX_LOOKED_AT) break;
      if (request.feedback === 'list' || !request.isUnanswered || request.activeAt > now - this.lookMs(request)) continue;
      const next = this.nextLook.get(request);
      if (next && next.at > now) continue;
      const waitMs = next ? Math.min(2 * next.waitMs, MAX_LOOK_MS) : LOOK_MS;
      this.nextLook.set(request, { at: now + waitMs, waitMs });
      silent.push(request);
    }
    return silent;
  }

  private lookMs({ pattern }: PendingRequest): number {
    return this.answered.has(pattern) ? MAX_LOOK_MS : LOOK_MS;
  }
}

function unsupported(pattern: string): StreambackLaneError {
  return new StreambackLaneError(
    'FEEDBACK_UNSUPPORTED',
    `The service of '${pattern}' answers in feedback lists only, and the option 'feedback' is 'inbox'`,
  );
}
