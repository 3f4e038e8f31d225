import type { KafkaMessage } from 'kafkajs';
import type { MainStreamDelivery } from '../../lib/streams/main-stream';
import { numberOf, placeOf } from './broker';
import { isWhole, type Execution, type Facts } from './facts';
import type { FeedbackServer } from './feedback-server';
import { SESSION_MS, type Plan } from './plan';
import type { Actor, World } from './world';

interface Watched {
  readonly delivery: MainStreamDelivery;
  readonly place: string;
  concluded?: 'settle' | 'release';
}

/** What is promised of deliveries, checked as they are handed over, run and settled. */
export class DeliveryChecks {
  private readonly handedOver = new Map<Actor, Set<Watched>>();
  private readonly closedActors = new Set<Actor>();

  constructor(
    private readonly world: World,
    private readonly plan: Plan,
    private readonly facts: Facts,
    private readonly server: FeedbackServer,
  ) {}

  /** A delivery as its consumer gets it. @param onSettle called when it counts */
  watched(delivery: MainStreamDelivery, group: string, actor: Actor, onSettle: () => void): MainStreamDelivery {
    const { message, revoked } = delivery;
    const watched: Watched = { delivery, place: `${group} ${placeOf(message.topic, message.partition)}` };
    const open = this.openOf(actor);
    open.add(watched);
    const inFlight = [...open].filter((each) => !each.delivery.revoked.aborted).length;
    this.world.note(actor.name, 'gets', watched.place, message.offset, 'rank', message.rank);
    this.world.check('M7', inFlight <= this.plan.maxInFlight, () => `${actor.name} has ${inFlight} deliveries in flight`);
    this.world.check(
      'M8',
      !this.closedActors.has(actor),
      () => `${actor.name} is handed ${watched.place} ${message.offset} after it has closed`,
    );
    const conclude = (how: 'settle' | 'release'): void => {
      this.world.note(actor.name, how, watched.place, message.offset, revoked.aborted ? '(revoked)' : '');
      this.world.check(
        'the contract',
        watched.concluded === undefined,
        () => `${watched.place} ${message.offset}: ${watched.concluded}, then ${how}`,
      );
      watched.concluded = how;
      open.delete(watched);
    };
    return {
      message,
      revoked,
      settle: () => {
        conclude('settle');
        if (!revoked.aborted) this.onSettled(watched, group, actor);
        delivery.settle();
        if (!revoked.aborted) onSettle();
      },
      release: () => {
        conclude('release');
        delivery.release();
      },
    };
  }

  /** An execution begins: nothing of its key runs, and all before it is done with (M4). */
  began(execution: Execution): void {
    const { actor, group, topic, partition, offset, key } = execution;
    const { order, concurrency } = this.plan.listeners[topic]!;
    const running = this.facts.executions.filter((each) => each !== execution && each.endedAt === undefined && !isForsaken(each));
    const here = running.filter((each) => each.actor === actor && each.topic === topic);
    this.world.check(
      'M4',
      here.length < concurrency,
      () => `${actor.name} runs ${here.length + 1} of ${topic} at once, ${concurrency} are allowed`,
    );
    this.checkWanted(execution);
    this.checkOnce(execution);
    if (order === 'none' || (order === 'key' && key === null)) return;
    const sameLine = (each: Execution): boolean =>
      each.group === group && each.topic === topic && each.partition === partition && (order === 'partition' || each.key === key);
    // In another process, what was told to stop may go on when its partition has moved, as may one that has lost it and does not know.
    const isApart = (each: Execution): boolean => each.aborted !== undefined || isOut(each.actor, this.world) || isOut(actor, this.world);
    const beside = running.find((each) => sameLine(each) && (each.actor === actor || !isApart(each)));
    this.world.check('M4', !beside, () => `${describe(execution)} begins beside ${describe(beside!)}`);
    const settled = this.facts.settled(`${group} ${placeOf(topic, partition)}`);
    const before = this.server.broker.log(topic, partition).slice(0, offset);
    // What cannot be decoded is put aside out of turn.
    const isBefore = (each: KafkaMessage): boolean => each.value?.[0] === 123 && (order === 'partition' || each.key?.toString() === key);
    const early = before.find((each) => isBefore(each) && !settled.has(Number(each.offset)));
    this.world.check(
      'M4',
      !early || isOut(actor, this.world),
      () => `${describe(execution)} begins before offset ${early!.offset} is done with`,
    );
  }

  /** What a process has handled and settled it does not handle again, however often it was published (F4). */
  private checkOnce(execution: Execution): void {
    const { n, actor, group, topic, requestId } = execution;
    // One whose reader was too slow has failed, for all that its handler knows.
    if (this.plan.listeners[topic]!.maxBuffered < 100) return;
    const isSettled = (each: Execution): boolean => this.facts.settled(`${group} ${placeOf(topic, each.partition)}`).has(each.offset);
    const before = this.facts
      .of(n)
      .find(
        (each) =>
          each.actor === actor && each.topic === topic && each.requestId === requestId && isWhole(each) && !each.aborted && isSettled(each),
      );
    this.world.check('F4', !before, () => `${describe(execution)} begins after ${describe(before!)}`);
  }

  /** A request that was cancelled while it waited, and long enough to be looked up, is not started (F6). */
  private checkWanted(execution: Execution): void {
    const { facts, world, plan } = this;
    const { requestId, topic, partition, offset, startedAt } = execution;
    const lane = requestId === undefined ? undefined : facts.lanesById.get(requestId);
    const isFirst = facts.of(execution.n).length === 1;
    if (!lane || !isFirst || facts.faultyUntil > lane.sentAt - 2_500 || !plan.listeners[topic]!.cancellable) return;
    const hasWaited = startedAt - Number(this.server.broker.log(topic, partition)[offset]!.timestamp) > 600;
    const isOneGroup = plan.slots.every(({ group, topics }) => group !== 'stock' || topics.length === 1);
    const isCancelled = lane.outcome !== undefined && lane.endedAt + 300 < startedAt;
    world.check('F6', !(hasWaited && isOneGroup && isCancelled), () => `${describe(execution)} begins though it was cancelled before`);
  }

  closed(actor: Actor): void {
    this.closedActors.add(actor);
  }

  /** Deliveries that a process has neither settled nor given back. */
  open(actor: Actor): string[] {
    return [...this.openOf(actor)].map(({ place, delivery }) => `${place} ${delivery.message.offset}`);
  }

  private openOf(actor: Actor): Set<Watched> {
    let open = this.handedOver.get(actor);
    if (!open) this.handedOver.set(actor, (open = new Set()));
    return open;
  }

  /** A delivery is settled only after its end is stored, its handler has finished, or it is dead-lettered (M2). */
  private onSettled({ place, delivery: { message } }: Watched, group: string, actor: Actor): void {
    const { facts } = this;
    facts.settled(place).add(Number(message.offset));
    const n = numberOf(message.value);
    const why = (): string => `${actor.name} settles ${place} ${message.offset} (${n}), which nobody has ended`;
    const isOver = facts.deadLetters.has(n) || (isRequest(message.value) ? this.isRequestOver(message.value!) : facts.isHandled(n, group));
    this.world.check('M2', isOver, why);
  }

  private isRequestOver(value: Buffer): boolean {
    const { facts, world } = this;
    const { id, inbox, deadline } = JSON.parse(value.toString()) as Record<string, string | number>;
    const lane = facts.lanesById.get(String(id));
    const isForsaken = !lane || lane.actor.dead || lane.isOver() || Number(deadline ?? Infinity) <= world.time + 500;
    return isForsaken || facts.ended.has(String(id)) || !this.server.has(String(inbox)) || facts.heldDead.has(String(inbox));
  }
}

const isRequest = (value: Buffer | null): boolean => value !== null && value.includes('"feedback_topic":"');

/** It was told to stop because its message is another's now: it may go on beside what comes of that. */
const isForsaken = ({ aborted, actor }: Execution): boolean =>
  actor.dead || aborted?.reason.code === 'REVOKED' || aborted?.reason.code === 'SHUTDOWN';

/** It may have been thrown out of its group and not know it yet. */
const isOut = (actor: Actor, world: World): boolean => world.time < actor.frozenUntil + SESSION_MS + 1_500 && actor.frozenUntil > 0;

export const describe = ({ n, id, actor, attempt, rank, offset }: Execution): string =>
  `execution ${id} of ${n} (${actor.name}, offset ${offset}, rank ${rank}, attempt ${attempt})`;
