import type { Facts, LaneFact } from './facts';
import type { LaneChecks } from './lane-checks';
import type { Send } from './plan';
import type { SimProcess } from './sim-process';
import type { World } from './world';

/** Sends what the plan says, and reads the answers as it says. */
export class Client {
  constructor(
    private readonly world: World,
    private readonly facts: Facts,
    private readonly checks: LaneChecks,
  ) {}

  send(send: Send, process: SimProcess): void {
    this.world.note(process.name, 'sends', send.kind, send.n, 'to', send.topic, send.key ?? '', JSON.stringify(send.behaviour));
    if (send.kind === 'malformed') return this.sendMalformed(send, process);
    if (send.kind === 'event') return this.emit(send, process);
    const { reading } = send;
    const lane: LaneFact = {
      send,
      actor: process,
      sentAt: this.world.time,
      deadline: this.world.time + (send.timeoutMs ?? Infinity),
      id: '',
      isOver: () => false,
      values: [],
      lastAt: this.world.time,
      endedAt: Infinity,
    };
    this.facts.lanes.set(send.n, lane);
    const close = reading.pulls ? this.read(lane, process) : this.subscribe(lane, process);
    if (reading.stopsAtMs !== Infinity) this.world.after(reading.stopsAtMs, process, close);
  }

  private emit({ n, topic, key }: Send, process: SimProcess): void {
    process.producer.emit(topic, { n }, key === null ? {} : { key }).then(
      () => this.facts.acknowledged.add(n),
      (error: unknown) => this.world.note('event', n, 'was not sent', error),
    );
  }

  private sendMalformed({ n, topic, key }: Send, process: SimProcess): void {
    process.main.publish({ topic, key, value: Buffer.from(`"n":${n}, which is no JSON`), headers: [] }).then(
      () => this.facts.acknowledged.add(n),
      (error: unknown) => this.world.note('malformed', n, 'was not sent', error),
    );
  }

  private options({ key, timeoutMs, idleTimeoutMs, credit }: Send) {
    return { key: key ?? undefined, timeoutMs, idleTimeoutMs, credit };
  }

  private subscribe(fact: LaneFact, { producer }: SimProcess): () => void {
    const { send } = fact;
    const request = producer.request(send.topic, { n: send.n }, this.options(send), {
      next: (value) => {
        this.checks.onValue(fact, value);
        if (fact.values.length >= send.reading.stopsAfter) close();
      },
      error: (error) => this.checks.onOver(fact, { error }),
      // One that has gone at the last answer is not told of the end by Rx.
      complete: () => fact.outcome === 'closed' || this.checks.onOver(fact, 'complete'),
    });
    this.checks.onSent(fact, request);
    const close = (): void => {
      if (fact.outcome !== undefined) return;
      request.close();
      this.checks.onOver(fact, 'closed');
    };
    return close;
  }

  private read(fact: LaneFact, { producer }: SimProcess): () => void {
    const { send } = fact;
    const lane = producer.open<string>(send.topic, { n: send.n }, this.options(send));
    this.checks.onSent(fact, (lane as unknown as { request: unknown }).request);
    const close = (): void => {
      if (fact.outcome !== undefined) return;
      this.checks.onOver(fact, 'closed');
      lane.close();
    };
    void (async () => {
      try {
        while (fact.outcome === undefined) {
          const value = await lane.read();
          if (fact.outcome !== undefined) return;
          if (value === undefined) return this.checks.onOver(fact, 'complete');
          this.checks.onValue(fact, value);
          if (fact.values.length >= send.reading.stopsAfter) return close();
          if (send.reading.pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, send.reading.pauseMs));
        }
      } catch (error) {
        this.checks.onOver(fact, { error });
      }
    })();
    return close;
  }
}
