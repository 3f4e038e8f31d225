import type { Clock } from '../../lib/common/clock';
import { SILENT_LOGGER } from '../../lib/common/logger';
import { scheduleEntry } from '../../lib/scheduler/schedule-entry';
import type { ScheduleOptions } from '../../lib/scheduler/schedule-options';
import { slotId } from '../../lib/scheduler/schedule-runner';
import { Scheduler } from '../../lib/scheduler/scheduler';
import { MemoryScheduleStore } from '../../lib/streams/memory/memory.schedule-store';
import type { ScheduleClaim, ScheduleSlot, ScheduleStore } from '../../lib/streams/schedule-store';
import { slotsBetween } from '../support/cron-reference';
import { ManualClock } from '../support/manual-clock';
import type { Random } from '../support/random';
import { tick } from '../support/tick';

const GROUP = 'r23';
const PROCESSES = 5;
const STEP_MS = 200;
/** After the last slot that counts: longer than the window in which missed ones are sent. */
const SETTLE_MS = 75_000;

export interface ScheduleCounts {
  due: number;
  sent: number;
  /** Neither sent, nor passed over for a newer one of the same schedule as `catchUp: 'last'` has it. */
  missed: number;
  passedOver: number;
  /** Messages of a slot beyond its first. */
  twice: number;
  /** Of these, those beyond one for each kill or pause between a claim of the slot and its acknowledgement. */
  twiceUnexplained: number;
  /** Messages that are no slot's. */
  otherIds: number;
  kills: number;
  pauses: number;
}

const idOf = ({ name, slot }: Pick<ScheduleSlot, 'name' | 'slot'>): string => slotId(GROUP, name, slot);

/** A process whose clock is wrong and drifts, that can be frozen and killed at any of its calls to the outside. */
class SimulatedProcess implements Clock {
  state: 'running' | 'frozen' | 'dead' = 'running';
  /** Ids of slots between claim and acknowledgement. */
  readonly inFlight = new Set<string>();
  private waiting: (() => void)[] = [];
  private readonly born: number;
  private readonly drift: number;
  skewMs: number;

  constructor(
    private readonly real: ManualClock,
    private readonly random: Random,
  ) {
    this.born = real.now();
    this.drift = 0.98 + random.next() * 0.04;
    this.skewMs = this.newSkewMs();
  }

  /** From half a minute behind to half a minute ahead. */
  newSkewMs(): number {
    return Math.round((this.random.next() - 0.5) * 60_000);
  }

  now(): number {
    return Math.round(this.born + (this.real.now() - this.born) * this.drift) + this.skewMs;
  }

  setTimeout(callback: () => void, delayMs: number): unknown {
    return this.real.setTimeout(() => void this.running().then(callback), delayMs / this.drift);
  }

  clearTimeout(timer: unknown): void {
    this.real.clearTimeout(timer);
  }

  /** What the process does next waits for this: for ever in a dead one. */
  async running(): Promise<void> {
    while (this.state !== 'running') await new Promise<void>((resolve) => this.waiting.push(resolve));
  }

  freezeFor(ms: number): void {
    this.state = 'frozen';
    this.real.setTimeout(() => {
      if (this.state === 'dead') return;
      this.state = 'running';
      for (const go of this.waiting.splice(0)) go();
    }, ms);
  }

  outside(store: ScheduleStore): ScheduleStore {
    return new Proxy(store, {
      get: (target, name: keyof ScheduleStore) => {
        const method = target[name] as (...args: unknown[]) => Promise<unknown>;
        return async (...args: unknown[]) => {
          await this.running();
          const id = typeof args[0] === 'object' ? idOf(args[0] as ScheduleSlot) : '';
          // From when it is asked for: the answer may find the process frozen.
          if (name === 'claim') this.inFlight.add(id);
          const answer = await method.apply(target, args);
          if (name !== 'claim' || (answer as ScheduleClaim).outcome !== 'claimed') this.inFlight.delete(id);
          await this.running();
          return answer;
        };
      },
    });
  }
}

/** Five processes keep the schedules of one group around a change of the clocks, with faults at random, until so many slots were due. */
export async function simulate(
  change: number,
  zone: string,
  ticks: number,
  scheduleCount: number,
  random: Random,
): Promise<ScheduleCounts> {
  const schedules = Array.from({ length: scheduleCount }, (_, at) => someSchedule(at, zone, random));
  const perMinute =
    schedules.flatMap(({ cronTime, timeZone }) => slotsBetween(cronTime, timeZone!, change - 60_000, change + 60_000)).length / 2;
  const start = change - Math.ceil((ticks / perMinute / 2) * 60 + 3) * 1_000;
  const horizon = change + (change - start) * 3 + 600_000;
  const due = schedules
    .flatMap(({ name, cronTime, timeZone, catchUp }) =>
      slotsBetween(cronTime, timeZone!, start, horizon).map((slot): DueSlot => ({
        id: slotId(GROUP, name, slot),
        name,
        slot,
        catchUp,
      })),
    )
    .toSorted((a, b) => a.slot - b.slot);
  const end = due[ticks - 1]!.slot;

  const clock = new ManualClock(start);
  const store = new MemoryScheduleStore(clock);
  const messages: { readonly id: string }[] = [];
  const faults = new Map<string, number>();
  const counts = { kills: 0, pauses: 0 };
  const processes: SimulatedProcess[] = [];

  const blame = (process: SimulatedProcess): void => {
    for (const id of process.inFlight) faults.set(id, (faults.get(id) ?? 0) + 1);
  };
  const replace = (process: SimulatedProcess): void => {
    blame(process);
    process.state = 'dead';
    counts.kills += 1;
    clock.setTimeout(() => (processes[processes.indexOf(process)] = begin()), 500 + random.below(5_000));
  };
  const freeze = (process: SimulatedProcess): void => {
    blame(process);
    counts.pauses += 1;
    process.freezeFor(500 + random.below(15_000));
  };
  /** A fault between claim and acknowledgement, at times. */
  const perhaps = (process: SimulatedProcess): Promise<void> => {
    if (process.state === 'running' && clock.now() <= end && random.below(25) === 0) {
      if (random.below(2) === 0) replace(process);
      else freeze(process);
    }
    return process.running();
  };
  const begin = (): SimulatedProcess => {
    const process = new SimulatedProcess(clock, random);
    const publish = async (id: string): Promise<void> => {
      await perhaps(process);
      messages.push({ id });
      await perhaps(process);
    };
    const publisher = { check: () => {}, publish };
    const scheduler = new Scheduler({ group: GROUP, store: process.outside(store), publisher, logger: SILENT_LOGGER, clock: process });
    for (const [at, options] of schedules.entries()) {
      // Every third one takes its time, and its process can be lost meanwhile.
      const workMs = at % 3 === 0 ? random.below(2_000) : 0;
      const produce = (): unknown => (workMs === 0 ? {} : new Promise((resolve) => process.setTimeout(() => resolve({}), workMs)));
      scheduler.declare(scheduleEntry(options, 'decorator', produce));
    }
    scheduler.start();
    return process;
  };

  await store.sync(
    GROUP,
    schedules.map(({ name }) => name),
  );
  while (processes.length < PROCESSES) processes.push(begin());
  while (clock.now() < end + SETTLE_MS) {
    clock.advance(STEP_MS);
    await tick();
    if (clock.now() > end) continue;
    const running = processes.filter(({ state }) => state === 'running');
    if (running.length < 2) continue;
    const fate = random.below(200);
    if (fate === 0) replace(random.pick(running));
    if (fate === 1) freeze(random.pick(running));
    if (fate === 2) {
      const process = random.pick(running);
      process.skewMs = process.newSkewMs();
    }
  }
  for (const process of processes) process.state = 'dead';
  return { ...counts, ...tally(due, end, messages, faults) };
}

function someSchedule(at: number, zone: string, random: Random): ScheduleOptions {
  const second = random.below(60);
  const cronTime = random.pick([
    '*/10 * * * * *',
    '*/20 * * * * *',
    `${second % 30}-59/30 * * * * *`,
    `${second} * * * * *`,
    `${second} */2 * * * *`,
    '*/15 * 1-3 * * *',
    `${second} 30 2 * * *`,
    '*/10 50-59 1 * * *',
    '*/10 0-9 2,3 * * *',
  ]);
  return {
    name: `schedule ${at}`,
    pattern: 'tick',
    // The first is due in any case.
    cronTime: at === 0 ? '*/10 * * * * *' : cronTime,
    timeZone: random.below(4) === 0 ? 'Asia/Kolkata' : zone,
    catchUp: random.below(5) === 0 ? 'last' : 'all',
  };
}

interface DueSlot {
  readonly id: string;
  readonly name: string;
  readonly slot: number;
  readonly catchUp: ScheduleOptions['catchUp'];
}

function tally(
  all: readonly DueSlot[],
  end: number,
  messages: readonly { readonly id: string }[],
  faults: ReadonlyMap<string, number>,
): Omit<ScheduleCounts, 'kills' | 'pauses'> {
  const copies = new Map<string, number>();
  for (const { id } of messages) copies.set(id, (copies.get(id) ?? 0) + 1);
  const due = all.filter(({ slot }) => slot <= end);
  const known = new Set(all.map(({ id }) => id));
  const newestSent = new Map<string, number>();
  for (const { name, slot, id } of all) if (copies.has(id)) newestSent.set(name, slot);
  const counts = { due: due.length, sent: 0, missed: 0, passedOver: 0, twice: 0, twiceUnexplained: 0, otherIds: 0 };
  for (const { name, slot, id, catchUp } of due) {
    const again = Math.max(0, (copies.get(id) ?? 0) - 1);
    if (copies.has(id)) counts.sent += 1;
    else if (catchUp === 'last' && newestSent.get(name)! > slot) counts.passedOver += 1;
    else counts.missed += 1;
    counts.twice += again;
    counts.twiceUnexplained += Math.max(0, again - (faults.get(id) ?? 0));
  }
  for (const { id } of messages) if (!known.has(id)) counts.otherIds += 1;
  return counts;
}
