import { Random } from '../support/random';
import { Broker } from './broker';
import { Client } from './client';
import { DeliveryChecks } from './delivery-checks';
import { Facts } from './facts';
import { FeedbackServer } from './feedback-server';
import { checkAtTheEnd, checkClosed } from './final-checks';
import { Handlers } from './handlers';
import { LaneChecks } from './lane-checks';
import { BUSY_MS, SESSION_MS, type Fault, type Plan } from './plan';
import { SimProcess } from './sim-process';
import { Trace } from './trace';
import { drive } from './virtual-time';
import { World, type Violation } from './world';

/** Everything is over within so long after the last fault, in ms of virtual time: the longest idle timeout and what surrounds it. */
const SETTLED_WITHIN_MS = 200_000;
const LOOK_MS = 250;

export interface Outcome {
  readonly violation: Violation | undefined;
  readonly hash: string;
  readonly steps: number;
  readonly executions: number;
  readonly lanes: readonly string[];
}

/** Lets one plan happen: messages are sent while faults are made, then all heals, then all must end, and nothing must be left. */
export class Simulation {
  readonly world: World;
  readonly facts = new Facts();
  readonly broker: Broker;
  readonly server: FeedbackServer;
  readonly checks: DeliveryChecks;
  private readonly client: Client;
  private readonly handlers: Handlers;
  private readonly processes = new Map<string, SimProcess>();
  private readonly all: SimProcess[] = [];
  private isEnding = false;
  private isOver = false;

  constructor(
    readonly plan: Plan,
    private readonly trace: Trace,
  ) {
    this.world = new World(new Random(plan.seed), trace);
    this.broker = new Broker(this.world, this.facts, plan.partitions);
    this.server = new FeedbackServer(this.world, this.broker, this.facts, plan);
    this.checks = new DeliveryChecks(this.world, plan, this.facts, this.server);
    this.handlers = new Handlers(this.world, this.facts, this.checks);
    this.client = new Client(this.world, this.facts, new LaneChecks(this.world, plan, this.facts));
  }

  async run(): Promise<Outcome> {
    const { world, plan, facts } = this;
    world.after(0, undefined, () => plan.slots.forEach(({ name }) => this.start(name)));
    for (const send of plan.sends) {
      facts.sends.set(send.n, send);
      world.after(send.at, undefined, () => this.as(send.slot, (process) => this.client.send(send, process)));
    }
    for (const fault of plan.faults) world.after(fault.at, undefined, () => this.make(fault));
    world.after(BUSY_MS + 10, undefined, () => this.heal());
    await drive(world, () => this.isOver);
    const lanes = [...facts.lanes.values()].map(({ outcome }) =>
      typeof outcome === 'object' ? codeOf(outcome.error) : (outcome ?? 'void'),
    );
    return { violation: world.violation, hash: this.trace.hash, steps: world.steps, executions: facts.executions.length, lanes };
  }

  private start(slot: string): void {
    const process = new SimProcess(
      `${slot}.${this.all.length}`,
      this.plan.slots.find(({ name }) => name === slot)!,
      this,
      this.handlers,
    );
    this.processes.set(slot, process);
    this.all.push(process);
    this.world.after(0, process, () => void process.start());
  }

  /** Has a slot's process do something, if there is one that is up. */
  private as(slot: string, work: (process: SimProcess) => void): void {
    const process = this.processes.get(slot)!;
    if (process.isUp) this.world.after(0, process, () => process.isUp && work(process));
  }

  private make({ kind, slot, forMs }: Fault): void {
    const { world, broker, server, facts } = this;
    world.note('FAULT', kind, slot, forMs);
    facts.faults.add(kind);
    facts.faultyUntil = Math.max(facts.faultyUntil, world.time + forMs);
    const process = this.processes.get(slot)!;
    switch (kind) {
      case 'crash':
        return this.crash(process, forMs);
      case 'close':
        return this.close(process, forMs);
      case 'freeze':
        return this.freeze(process, Math.min(forMs, SESSION_MS / 2));
      case 'long freeze':
        return this.freeze(process, SESSION_MS + forMs);
      case 'rebalance':
        return broker.shuffle();
      case 'broker outage':
        broker.awayUntil = Math.max(broker.awayUntil, world.time + forMs);
        return;
      case 'produce faults':
        broker.faultyUntil = Math.max(broker.faultyUntil, world.time + forMs);
        return;
      case 'feedback outage':
        return server.goAway(forMs);
      case 'feedback faults':
        server.faultyUntil = Math.max(server.faultyUntil, world.time + forMs);
        return;
      case 'cut':
        return server.cut(process, forMs);
      case 'emptied':
        return server.empty();
      case 'failover':
        server.losingUntil = Math.max(server.losingUntil, world.time + forMs);
        return;
      case 'lost credit':
        server.losingCreditUntil = Math.max(server.losingCreditUntil, world.time + forMs);
        return;
      case 'slow':
        broker.slowness = 10;
        world.after(forMs, undefined, () => (broker.slowness = 1));
    }
  }

  private crash(process: SimProcess, restartMs: number): void {
    if (process.dead || process.isClosed) return;
    process.dead = true;
    this.server.suspend(process);
    const { member } = process.main;
    const group = this.broker.group(process.slot.group);
    if (member) this.world.after(SESSION_MS, undefined, () => group.remove(member));
    this.world.after(restartMs, undefined, () => this.restart(process));
  }

  private close(process: SimProcess, restartMs: number): void {
    this.world.after(0, process, () => {
      void process.close().then(() => this.world.after(restartMs, undefined, () => this.restart(process)));
    });
  }

  private restart(process: SimProcess): void {
    if (!this.isEnding && this.processes.get(process.slot.name) === process) this.start(process.slot.name);
  }

  private freeze(process: SimProcess, forMs: number): void {
    const { world, server, broker } = this;
    if (process.dead || process.isClosed || process.frozenUntil > world.time) return;
    process.frozenUntil = world.time + forMs;
    this.facts.faultyUntil = Math.max(this.facts.faultyUntil, process.frozenUntil);
    server.suspend(process);
    world.after(forMs + 1, undefined, () => server.resume(process));
    const { member } = process.main;
    if (member && forMs > SESSION_MS)
      world.after(SESSION_MS, undefined, () => broker.group(process.slot.group).has(member) && member.evicted());
  }

  /** No more faults; every service has a process. Then looks, from time to time, whether all is over. */
  private heal(): void {
    const { world, facts } = this;
    world.note('all heals');
    const until = Math.max(world.time, facts.faultyUntil) + SETTLED_WITHIN_MS;
    const look = (): void => {
      const open = [...facts.lanes.values()].filter(({ outcome, actor }) => outcome === undefined && !actor.dead);
      const behind = this.broker.behind();
      const running = facts.executions.filter(({ endedAt, actor }) => endedAt === undefined && !actor.dead);
      if (open.length + behind.length + running.length === 0 && world.time > facts.faultyUntil + 9_000) return this.end();
      if (world.time < until) return void world.after(LOOK_MS, undefined, look);
      world.check(
        'F2',
        open.length === 0,
        () => `Lanes never end: ${open.map(({ send, actor }) => `${send.n} of ${actor.name}`).join(', ')}`,
      );
      world.check('M3', behind.length === 0, () => `Messages are stuck: ${behind.join('; ')}`);
      world.fail('F6', `Handlers never end: ${running.map(({ id, n }) => `execution ${id} of ${n}`).join(', ')}`);
    };
    look();
  }

  private end(): void {
    const { world, all } = this;
    this.isEnding = true;
    checkAtTheEnd(this.plan, world, this.facts);
    const mute = world.time > this.facts.faultyUntil + 8_000 ? all.find((each) => each.isUp && !each.isReachable) : undefined;
    world.check('F6', !mute, () => `${mute!.name} has no inbox`);
    world.note('all close');
    for (const process of all) world.after(0, process, () => void process.close());
    world.after(15_000, undefined, () => {
      checkClosed(
        world,
        all.filter(({ dead }) => !dead),
        this.checks,
      );
      // What crashed processes have left in Redis is gone with its TTL.
      world.after(61_000, undefined, () => {
        world.check('F3', this.server.keys().length === 0, () => `Keys are left: ${this.server.keys().join(', ')}`);
        this.isOver = true;
      });
    });
  }
}

function codeOf(error: unknown): string {
  return (error as { readonly code?: string }).code ?? 'error of the handler';
}
