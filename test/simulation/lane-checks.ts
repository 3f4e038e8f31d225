import { StreambackError, StreambackTimeoutError } from '../../lib/common/errors';
import { describe } from './delivery-checks';
import { isWhole, type Execution, type Facts, type LaneFact } from './facts';
import type { Plan } from './plan';
import type { World } from './world';

/** A cancel reaches a handler of a network that is well within so long, in ms. */
const TOLD_WITHIN_MS = 700;

/** What must have happened for a lane to end with an error of this code. */
const EXCUSES: Readonly<Record<string, readonly string[] | 'never' | 'always'>> = {
  GAP: ['failover'],
  MALFORMED_FRAME: 'never',
  INBOX_LOST: ['emptied'],
  CONSUMER_LOST: ['crash', 'close', 'freeze', 'long freeze', 'feedback outage', 'cut', 'emptied'],
  // More than one execution is asked for apart.
  RESTARTED: 'always',
  PUBLISH_TIMEOUT: ['broker outage', 'produce faults'],
  CLOSED: ['close'],
  FEEDBACK_UNWRITABLE: ['feedback outage', 'feedback faults', 'cut', 'emptied'],
  UNREACHABLE: ['feedback outage', 'cut', 'emptied'],
  OVERFLOW: ['small buffer'],
  IDLE_TIMEOUT: 'always',
  DEADLINE_EXCEEDED: 'always',
};

/** What is promised of lanes, checked as their readers see them. */
export class LaneChecks {
  constructor(
    private readonly world: World,
    private readonly plan: Plan,
    private readonly facts: Facts,
  ) {}

  onSent(lane: LaneFact, request: unknown): void {
    const pending = request as { readonly id: string; readonly isOver: boolean };
    lane.id = pending.id;
    lane.isOver = () => pending.isOver;
    this.facts.lanesById.set(lane.id, lane);
  }

  /** In order, each once, of one run (F1, F4). */
  onValue(lane: LaneFact, given: unknown): void {
    const { values, send } = lane;
    const value = String(given);
    this.world.note(lane.actor.name, 'reads', value);
    const [n, execution, index] = value.split(':').map(Number);
    const before = values.at(-1)?.split(':').map(Number);
    this.world.check('F1', lane.outcome === undefined, () => `The lane of ${send.n} gives ${value} after its end`);
    this.world.check('F1', n === send.n, () => `The lane of ${send.n} gives ${value}`);
    this.world.check(
      'F4',
      before === undefined || before[1] === execution,
      () => `The lane of ${send.n} gives ${value} after ${values.at(-1)}`,
    );
    this.world.check('F1', index === values.length, () => `The lane of ${send.n} gives ${value} as its number ${values.length}`);
    values.push(value);
    lane.lastAt = this.world.time;
  }

  /** Whole, or with an error that something explains (F1, F2). */
  onOver(lane: LaneFact, outcome: NonNullable<LaneFact['outcome']>): void {
    const { send } = lane;
    const text = typeof outcome === 'string' ? outcome : describeError(outcome.error);
    this.world.note(lane.actor.name, 'sees the end of', send.n, text);
    this.world.check('F1', lane.outcome === undefined, () => `The lane of ${send.n} ends twice: ${text}`);
    lane.outcome = outcome;
    lane.endedAt = this.world.time;
    if (outcome === 'complete') this.checkWhole(lane);
    else if (outcome !== 'closed') this.checkError(lane, outcome.error);
    if (outcome !== 'complete' && !isOfHandler(outcome)) this.checkTold(lane);
  }

  private checkWhole(lane: LaneFact): void {
    const executions = this.facts.of(lane.send.n).filter(({ topic }) => topic === lane.send.topic);
    const whole = executions.filter(isWhole);
    const id = lane.values[0] === undefined ? undefined : Number(lane.values[0].split(':')[1]);
    const source = whole.find((each) => (id === undefined ? each.emitted === 0 : each.id === id));
    this.world.check('F1', source?.emitted === lane.values.length, () => {
      return `The lane of ${lane.send.n} is complete with ${lane.values.length} answers (${executions.map((each) => `${describe(each)}: ${each.emitted}`).join(', ')})`;
    });
  }

  private checkError(lane: LaneFact, error: unknown): void {
    const { facts } = this;
    const { send, values, actor } = lane;
    if (!(error instanceof StreambackError)) {
      const { message } = error as { readonly message: string };
      const source = this.facts.of(send.n).find(({ failure }) => failure instanceof Error && failure.message === message);
      const isNested = send.behaviour.kind === 'nested';
      const isWholePart =
        source !== undefined && source.emitted === values.length && values.every((value) => value.startsWith(`${send.n}:${source.id}:`));
      return this.world.check(
        'F1',
        isWholePart || isNested,
        () => `The lane of ${send.n} errs '${message}' after ${values.length} answers`,
      );
    }
    const excuses = EXCUSES[error.code];
    const isExcused = excuses === 'always' || (Array.isArray(excuses) && excuses.some((each) => this.hasHappened(each, lane)));
    this.world.check('F2', isExcused, () => `The lane of ${send.n} errs ${describeError(error)}, which nothing explains`);
    // A further try is announced while its delay still runs.
    const isRun = error.code !== 'RESTARTED' || this.facts.of(send.n).length > 1 || this.hasHappened('retry', lane);
    this.world.check('F4', isRun, () => `The lane of ${send.n} errs RESTARTED after one execution`);
    if (!(error instanceof StreambackTimeoutError)) return;
    // A handler that only waits for credit is given it, as soon as the network is well, unless what came last was lost.
    const followed = values.length > 0 ? Number(values[0]!.split(':')[1]) : undefined;
    const starving = facts
      .of(send.n)
      .find(({ id, endedAt, aborted, actor: by }) => id === followed && endedAt === undefined && !aborted && !by.dead);
    const isWell =
      !facts.faults.has('failover') &&
      this.world.time - facts.faultyUntil > 5_000 &&
      send.idleTimeoutMs > 5_000 &&
      send.behaviour.kind !== 'nested';
    this.world.check(
      'F5',
      !starving || !isWell || error.code !== 'IDLE_TIMEOUT',
      () => `The lane of ${send.n} starves ${describe(starving!)}`,
    );
    const due = error.code === 'DEADLINE_EXCEEDED' ? lane.deadline : lane.lastAt + send.idleTimeoutMs;
    const isEarly = this.world.time < due - 2 && (error.code === 'DEADLINE_EXCEEDED' || lane.values.length === 0);
    this.world.check(
      'F7',
      !isEarly,
      () => `The lane of ${send.n} errs ${error.code} ${due - this.world.time} ms too early (${actor.name})`,
    );
  }

  private hasHappened(what: string, { send }: LaneFact): boolean {
    const { maxBuffered, retry } = this.plan.listeners[send.topic]!;
    if (what === 'small buffer') return maxBuffered < 100;
    if (what === 'retry') return (retry.times ?? 0) > 0 && send.behaviour.failures > 0 && send.behaviour.failsAfter > 0;
    return this.facts.faults.has(what);
  }

  /** Where nobody waits any more its handlers are told soon, if the network is well (F6). */
  private checkTold(lane: LaneFact): void {
    const { world, facts, plan } = this;
    const { send, actor } = lane;
    if (!plan.listeners[send.topic]!.cancellable || this.isFaulty(lane.sentAt)) return;
    const overAt = world.time;
    const isTold = ({ startedAt, aborted, endedAt, group }: Execution): boolean =>
      aborted !== undefined || endedAt !== undefined || world.time - Math.max(startedAt, overAt) < TOLD_WITHIN_MS - 1 || group === 'stock';
    const look = (): void => {
      if (actor.dead || this.isFaulty(lane.sentAt)) return;
      const untold = facts.of(send.n).find((each) => each.topic === send.topic && !isTold(each));
      world.check('F6', !untold, () => `${describe(untold!)} still runs ${world.time - overAt} ms after its reader went`);
    };
    for (const each of [TOLD_WITHIN_MS, 2_000, 5_000]) world.after(each, undefined, look);
  }

  private isFaulty(since: number): boolean {
    return this.facts.faultyUntil >= since - 2_500;
  }
}

const isOfHandler = (outcome: NonNullable<LaneFact['outcome']>): boolean =>
  typeof outcome === 'object' && !(outcome.error instanceof StreambackError);

export const describeError = (error: unknown): string =>
  error instanceof StreambackError ? `${error.code}: ${error.message}` : JSON.stringify(error);
