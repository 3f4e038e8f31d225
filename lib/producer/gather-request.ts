import type { CallerContext } from '../context/call-context';
import type { Frame } from '../protocol/frame';
import { newId } from '../protocol/keys';
import { PendingRequest, type PendingRequestOwner } from './pending-request';
import { deadlineExceeded } from './request-errors';
import type { FeedbackForm } from './request-options';

/** What one group has answered. */
export interface GatheredAnswers<Answer = unknown> {
  /** Null of a service that names none. */
  readonly group: string | null;
  /** Its answers, in their order. */
  readonly values: readonly Answer[];
  /** What its answers ended with, in place of an end: what its handler threw, in Nest's form; a StreambackLaneError; DEADLINE_EXCEEDED. */
  readonly error?: unknown;
}

/** What several groups have answered to one request. */
export interface GatherResult<Answer = unknown> {
  /** In the order in which the groups first answered. */
  readonly answers: readonly GatheredAnswers<Answer>[];
  /** Of the groups that were named, those that have not come to their end in time. */
  readonly missing: readonly string[];
  /** Whether all that were waited for have come to their end, be it with an error. */
  readonly complete: boolean;
}

/** Whom a request waits for, and how long. */
export interface GatherWish {
  readonly groups?: readonly string[] | undefined;
  readonly count?: number | undefined;
  readonly timeoutMs: number;
}

/** Who takes the result; an Rx subscriber is one. */
export interface GatherObserver {
  next(result: GatherResult): void;
  error(error: unknown): void;
  complete(): void;
}

export interface GatherOwner extends PendingRequestOwner {
  /** A group answers: its part is in flight from now on. */
  onPart(part: PendingRequest): void;
  /** Nobody waits for what begins with this frame. */
  onUnwanted(frame: Frame): void;
}

export interface GatherSettings {
  readonly owner: GatherOwner;
  readonly deadline: number;
  /** Between the answers of one group, in ms. */
  readonly idleTimeoutMs: number;
  readonly credit: number;
  readonly feedback: FeedbackForm;
  readonly isChosen: boolean;
  /** Has its reader told in the context that it asked in. */
  readonly within?: CallerContext;
}

interface Part {
  readonly group: string | null;
  readonly request: PendingRequest;
  readonly values: unknown[];
  hasEnded: boolean;
  error?: unknown;
}

/** So many groups may answer one request. */
const MAX_GROUPS = 1_000;

/**
 * A request that several groups answer. Each is a part with an order, a credit and a consumer of its own; their frames are told apart by
 * the group that they name. It ends with one result: when all that it waits for have ended, or when its time is up.
 */
export class GatherRequest extends PendingRequest {
  private readonly parts = new Map<string | null, Part>();
  private readonly groups: ReadonlySet<string | null> | undefined;

  constructor(
    pattern: string,
    private readonly wish: GatherWish,
    private readonly gathering: { next(result: unknown): void; error(error: unknown): void; complete(): void },
    private readonly settings: GatherSettings,
  ) {
    const { deadline, credit, owner, feedback, isChosen, within } = settings;
    super(newId(), pattern, gathering, deadline, Infinity, credit, owner, { feedback, isChosen, within });
    this.groups = wish.groups && new Set(wish.groups);
  }

  override onFrame(frame: Frame): void {
    const { sourceGroup } = frame;
    if (this.isOver || (this.groups && !this.groups.has(sourceGroup))) return this.settings.owner.onUnwanted(frame);
    const part = this.parts.get(sourceGroup) ?? (this.parts.size < MAX_GROUPS ? this.begin(sourceGroup) : undefined);
    if (!part || part.request.isOver) return this.settings.owner.onUnwanted(frame);
    part.request.onFrame(frame);
  }

  /** Its time is up, which is no error: what there is is given. Where it was never sent, no group has been silent. */
  override expire(): void {
    if (this.parts.size === 0 && !this.isAcknowledged) return this.fail(deadlineExceeded(this.pattern, 'broker'));
    this.conclude(false);
  }

  override unpublished(error: unknown): void {
    if (this.parts.size === 0) this.fail(error);
  }

  override onUncertain(): void {
    for (const { request } of this.parts.values()) if (!request.isOver) request.onUncertain();
  }

  override fail(error: unknown): void {
    this.closeParts();
    super.fail(error);
  }

  override close(): void {
    super.close();
    this.closeParts();
  }

  private begin(group: string | null): Part {
    const { owner, idleTimeoutMs, credit } = this.settings;
    const values: unknown[] = [];
    const observer = {
      next: (value: unknown): void => void values.push(value),
      error: (error: unknown): void => this.onEnd(part, error),
      complete: (): void => this.onEnd(part),
    };
    const key = `${this.id} ${group}`;
    const form = { feedback: this.feedback, isChosen: true, isPart: true };
    const request = new PendingRequest(this.id, this.pattern, observer, Infinity, idleTimeoutMs, credit, owner, form, key);
    request.wasSent = true;
    request.acknowledged();
    const part: Part = { group, request, values, hasEnded: false };
    this.parts.set(group, part);
    owner.onPart(request);
    return part;
  }

  private onEnd(part: Part, error?: unknown): void {
    if (this.isOver) return;
    part.hasEnded = true;
    part.error = error;
    const ended = [...this.parts.values()].filter(({ hasEnded }) => hasEnded).length;
    if (ended >= (this.groups?.size ?? this.wish.count!)) this.conclude(true);
  }

  private conclude(complete: boolean): void {
    if (this.isOver) return;
    const { groups = [] } = this.wish;
    const result: GatherResult = {
      // Whoever is not waited for any more has answered for nothing.
      answers: [...this.parts.values()]
        .filter(({ hasEnded, values }) => hasEnded || (!complete && values.length > 0))
        .map((part) => this.answersOf(part)),
      missing: groups.filter((group) => !this.parts.get(group)?.hasEnded),
      complete,
    };
    this.close();
    this.tell(() => {
      this.gathering.next(result);
      this.gathering.complete();
    });
  }

  private answersOf({ group, values, hasEnded, error }: Part): GatheredAnswers {
    if (!hasEnded) return { group, values, error: deadlineExceeded(this.pattern, 'next-answer', { text: ` of '${group}'` }) };
    return error === undefined ? { group, values } : { group, values, error };
  }

  private closeParts(): void {
    for (const { request } of this.parts.values()) request.close();
  }
}
