import { describe, type DeliveryChecks } from './delivery-checks';
import { isWhole, type Facts } from './facts';
import type { Plan } from './plan';
import type { SimProcess } from './sim-process';
import type { World } from './world';

/** A consumer's clock decides on a deadline, with this tolerance, in ms; and the skew of both clocks. */
const LATE_MS = 1_000 + 900;

/** What must hold once everything is over and committed. */
export function checkAtTheEnd(plan: Plan, world: World, facts: Facts): void {
  for (const send of plan.sends) {
    const { n, kind } = send;
    const group = 'reports';
    if (kind !== 'request') {
      const isKept = !facts.acknowledged.has(n) || facts.deadLetters.has(n) || facts.isHandled(n, group);
      world.check('M1', isKept, () => `The acknowledged ${kind} ${n} was neither handled nor dead-lettered`);
    }
    if (kind === 'malformed') world.check('M6', facts.of(n).length === 0, () => `What cannot be decoded was handled: ${n}`);
  }
  for (const lane of facts.lanes.values()) {
    // Who reads slowly sees the error behind what came before it.
    const isLate = lane.send.reading.pauseMs === 0 && !lane.actor.dead && lane.actor.frozenUntil === 0 && lane.endedAt > lane.deadline + 15;
    world.check(
      'F2',
      !isLate || typeof lane.outcome !== 'object',
      () => `The lane of ${lane.send.n} ends ${lane.endedAt - lane.deadline} ms after its deadline`,
    );
  }
  for (const execution of facts.executions) {
    const { actor, deadline, startedAt, topic, endedAt = Infinity, aborted } = execution;
    if (!plan.listeners[topic]!.cancellable) {
      const { code = 'REVOKED' } = aborted?.reason ?? {};
      world.check('F6', code === 'REVOKED' || code === 'SHUTDOWN', () => `${describe(execution)} must finish and was aborted: ${code}`);
      continue;
    }
    world.check('F7', startedAt <= deadline + LATE_MS, () => `${describe(execution)} begins ${startedAt - deadline} ms after its deadline`);
    if (actor.dead || actor.frozenUntil > 0) continue;
    const stoppedAt = Math.min(endedAt, aborted?.at ?? Infinity);
    world.check(
      'F7',
      stoppedAt <= deadline + LATE_MS,
      () => `${describe(execution)} goes on ${stoppedAt - deadline} ms after its deadline`,
    );
  }
  if (facts.faults.size === 0) checkCalm(plan, world, facts);
}

/** Without faults each message is handled once, and each lane ends as its handler did. */
function checkCalm(plan: Plan, world: World, facts: Facts): void {
  // Where several share a group partitions move at the start, and not all work is waited for.
  if (plan.slots.filter(({ group }) => group === 'reports').length > 1) return;
  for (const { n, behaviour, topic } of plan.sends) {
    // One that asks another service fails as that does.
    if (behaviour.kind === 'nested') continue;
    for (const group of new Set(facts.of(n).map((each) => each.group))) {
      const executions = facts.of(n).filter((each) => each.group === group && each.topic === topic);
      const tries = 1 + Math.min(plan.listeners[topic]!.retry.times ?? 0, behaviour.failures);
      world.check('M2', executions.length <= tries, () => `Message ${n} was run ${executions.length} times, ${tries} would do`);
      world.check('M2', executions.filter(isWhole).length <= 1, () => `Message ${n} was handled twice`);
    }
  }
}

/** What must hold once all processes have closed. */
export function checkClosed(world: World, processes: readonly SimProcess[], checks: DeliveryChecks): void {
  for (const process of processes) {
    world.check('M8', process.isClosed, () => `${process.name} never closes`);
    world.check('M8', checks.open(process).length === 0, () => `${process.name} keeps ${checks.open(process).join(', ')}`);
    world.check('no leaks', process.leftOver().length === 0, () => `${process.name} keeps ${process.leftOver().join(', ')}`);
    const timers = world.pendingTimers(process);
    world.check('no leaks', timers.length === 0, () => `${process.name} keeps ${timers.join(', ')}`);
  }
}
