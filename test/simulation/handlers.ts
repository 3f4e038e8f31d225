import { Observable } from 'rxjs';
import type { Run } from '../../lib/consumer/run';
import type { DeliveryChecks } from './delivery-checks';
import type { Execution, Facts } from './facts';
import type { Behaviour } from './plan';
import type { SimProcess } from './sim-process';
import type { World } from './world';

/** What a handler has to say, as an RpcException would be. */
export class AnAnswer extends Error {}

/** Handlers that do with each message what its send says, and write down what they do. */
export class Handlers {
  constructor(
    private readonly world: World,
    private readonly facts: Facts,
    private readonly checks: DeliveryChecks,
  ) {}

  handle(run: Run, process: SimProcess): unknown {
    const { n } = run.envelope.value as { readonly n: number };
    const { message, envelope } = run;
    const behaviour = this.facts.sends.get(n)!.behaviour;
    const isNested = message.topic === 'nested';
    const earlier = this.facts.executions.filter((each) => each.n === n && each.topic === message.topic).length;
    const execution: Execution = {
      id: this.facts.executions.length,
      n,
      group: process.slot.group,
      actor: process,
      topic: message.topic,
      partition: message.partition,
      offset: Number(message.offset),
      key: message.key?.toString() ?? null,
      rank: message.rank,
      attempt: run.attempt,
      requestId: envelope.feedbackTopic === null ? undefined : envelope.id,
      deadline: envelope.deadline ?? Infinity,
      startedAt: this.world.time,
      emitted: 0,
    };
    this.facts.executions.push(execution);
    this.world.note(process.name, 'runs', run.id, 'execution', execution.id, 'of', n, 'attempt', run.attempt, 'offset', message.offset);
    this.checks.began(execution);
    const work = new Work(this.world, run, execution, behaviour, earlier);
    run.onAbort((reason) => {
      work.onAbort();
      execution.aborted = { reason, at: this.world.time };
      this.world.note(process.name, 'aborts execution', execution.id, reason.code);
    });
    if (isNested) return work.value();
    if (behaviour.kind === 'nested') return work.nested(process);
    return work[behaviour.kind]();
  }
}

/** One execution at work. */
class Work {
  private begun = false;

  constructor(
    private readonly world: World,
    private readonly run: Run,
    private readonly execution: Execution,
    private readonly behaviour: Behaviour,
    private readonly earlier: number,
  ) {}

  /** A generator that was never asked for anything has nothing to end. */
  onAbort(): void {
    if (!this.begun) this.ended();
  }

  async value(): Promise<unknown> {
    return this.whole(async () => {
      await this.pause();
      this.failAt(this.behaviour.failsAfter);
      return this.behaviour.answers > 0 ? this.next() : undefined;
    });
  }

  async *generator(): AsyncGenerator<unknown> {
    this.begun = true;
    try {
      for (let index = 0; index < this.behaviour.answers; index++) {
        await this.pause();
        if (this.isOver()) return;
        this.failAt(index);
        yield this.next();
      }
      this.failAt(Infinity);
    } catch (error) {
      throw this.failed(error);
    } finally {
      this.ended();
    }
  }

  *iterable(): Generator<unknown> {
    this.begun = true;
    try {
      for (let index = 0; index < this.behaviour.answers; index++) {
        this.failAt(index);
        yield this.next();
      }
      this.failAt(Infinity);
    } catch (error) {
      throw this.failed(error);
    } finally {
      this.ended();
    }
  }

  observable(): Observable<unknown> {
    return new Observable((subscriber) => {
      this.begun = true;
      let timer: unknown;
      let index = 0;
      const step = (): void => {
        if (subscriber.closed) return;
        try {
          this.failAt(index === this.behaviour.answers ? Infinity : index);
        } catch (error) {
          const failure = this.failed(error);
          this.ended();
          return subscriber.error(failure);
        }
        if (index++ === this.behaviour.answers) {
          this.ended();
          return subscriber.complete();
        }
        subscriber.next(this.next());
        if (this.behaviour.pauseMs > 0) timer = setTimeout(step, this.behaviour.pauseMs);
        else step();
      };
      step();
      return () => {
        clearTimeout(timer as NodeJS.Timeout);
        this.ended();
      };
    });
  }

  async respond(): Promise<void> {
    return this.whole(async () => {
      for (let index = 0; index < this.behaviour.answers; index++) {
        await this.pause();
        if (this.isOver()) return;
        this.failAt(index);
        await this.run.respond(this.next());
      }
      this.failAt(Infinity);
    });
  }

  /** Asks another service, and answers with what it hears. */
  async nested({ producer }: SimProcess): Promise<unknown> {
    return this.whole(async () => {
      const lane = producer.open<string>('nested', { n: this.execution.n, nested: true }, { idleTimeoutMs: 3_000 });
      const deadline = (lane as unknown as { request: { deadline: number } }).request.deadline;
      this.world.check(
        'F7',
        deadline <= this.run.deadline,
        () => `A nested request may go on to ${deadline}, its outer one to ${this.run.deadline}`,
      );
      const end = (): void => {
        if (this.behaviour.obeys) lane.close();
      };
      this.run.onAbort(end);
      try {
        for await (const answer of lane) if (this.isOver() || answer === undefined) break;
      } finally {
        this.run.offAbort(end);
      }
      return this.isOver() ? undefined : this.next();
    });
  }

  private async whole<Result>(work: () => Promise<Result>): Promise<Result> {
    this.begun = true;
    try {
      return await work();
    } catch (error) {
      throw this.failed(error);
    } finally {
      this.ended();
    }
  }

  private isOver(): boolean {
    return this.behaviour.obeys && this.run.aborted !== undefined;
  }

  private next(): string {
    const { n, id } = this.execution;
    return `${n}:${id}:${this.execution.emitted++}`;
  }

  private failAt(index: number): void {
    if (this.earlier >= this.behaviour.failures || (index < this.behaviour.failsAfter && index !== Infinity)) return;
    const text = `execution ${this.execution.id} failed`;
    throw this.behaviour.asAnswer ? new AnAnswer(text) : new Error(text);
  }

  private failed(error: unknown): unknown {
    this.execution.failure ??= error;
    this.run.noteFailure(error);
    return error;
  }

  private ended(): void {
    if (this.execution.endedAt !== undefined) return;
    this.execution.endedAt = this.world.time;
    this.world.note(this.execution.actor.name, 'ends execution', this.execution.id, this.execution.failure ?? '');
  }

  private async pause(): Promise<void> {
    if (this.behaviour.pauseMs === 0) return;
    await new Promise<void>((resolve) => {
      let timer: NodeJS.Timeout | undefined;
      const over = (): void => {
        clearTimeout(timer);
        this.run.offAbort(over);
        resolve();
      };
      timer = setTimeout(over, this.behaviour.pauseMs);
      if (this.behaviour.obeys) this.run.onAbort(over);
    });
  }
}
