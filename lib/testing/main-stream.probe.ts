import assert from 'node:assert/strict';
import type {
  MainStream,
  MainStreamDelivery,
  MainStreamMessage,
  MainStreamSubscribeOptions,
  MainStreamSubscription,
} from '../streams/main-stream';

/** How long a contract test waits for what must come, in ms. */
const WAIT_MS = 30_000;
const DRAIN_TIMEOUT_MS = 5_000;

/** The test runner's own functions, where they are not globals. */
export interface TestRunner {
  readonly describe: (title: string, body: () => void) => void;
  readonly it: (title: string, body: () => Promise<void>, timeoutMs: number) => void;
}

/** A stream under test with what belongs to it. */
export interface MainStreamFixture {
  /** Connected by the suite. Each test closes what it was given. */
  readonly stream: MainStream;
  /** A stream to the same server, as another process would have it. Without it, one stream plays all processes. */
  readonly another?: () => MainStream;
  /** A topic name that was never used. */
  readonly topic: () => string;
  /** Frees what belongs to the fixture, after the streams. */
  readonly close?: () => Promise<void>;
}

export type SubscribeOptions = Partial<Omit<MainStreamSubscribeOptions, 'onDelivery'>> & {
  readonly topics: readonly string[];
  readonly onDelivery?: (delivery: MainStreamDelivery) => unknown;
};

/** The stream of one test, and what the test began with it. */
export class Bench {
  private readonly readers: Reader[] = [];
  private readonly streams: MainStream[] = [];
  private groups = 0;
  private readonly run = Math.random().toString(36).slice(2);

  constructor(private readonly fixture: MainStreamFixture) {}

  get stream(): MainStream {
    return this.fixture.stream;
  }

  topic(): string {
    return this.fixture.topic();
  }

  group(): string {
    return `contract-${this.run}-${this.groups++}`;
  }

  /** Each subscriber after the first has a stream of its own, where the fixture has more. */
  async subscribe({ onDelivery, ...options }: SubscribeOptions): Promise<Reader> {
    let stream = this.stream;
    if (this.readers.length > 0 && this.fixture.another) this.streams.push((stream = this.fixture.another()));
    const reader = new Reader();
    reader.subscription = await stream.subscribe({
      group: options.group ?? this.group(),
      maxInFlight: 1_000,
      drainTimeoutMs: DRAIN_TIMEOUT_MS,
      ...options,
      onDelivery: (delivery) => {
        reader.onDelivery(delivery);
        onDelivery?.(delivery);
      },
    });
    this.readers.push(reader);
    return reader;
  }

  async publish(topic: string, values: readonly string[], key: (id: string) => string | null = () => null): Promise<void> {
    await Promise.all(values.map((id) => this.stream.publish({ topic, key: key(id), value: Buffer.from(id), headers: [] })));
  }

  async close(): Promise<void> {
    for (const reader of this.readers) {
      // What a test left unsettled must not hold up its end.
      for (const delivery of reader.all) delivery.settle();
      await reader.close();
    }
    for (const stream of [this.stream, ...this.streams]) await stream.close();
    await this.fixture.close?.();
  }
}

export class Reader {
  readonly all: MainStreamDelivery[] = [];
  subscription: MainStreamSubscription | undefined;
  private waiting: (() => void)[] = [];

  onDelivery(delivery: MainStreamDelivery): void {
    this.all.push(delivery);
    for (const wake of this.waiting.splice(0)) setImmediate(wake);
  }

  /** The first `count` deliveries, once they are there. */
  async take(count: number): Promise<MainStreamDelivery[]> {
    await this.until(
      () => this.all.length >= count,
      () => `${this.all.length} of ${count} deliveries came`,
    );
    return this.all.slice(0, count);
  }

  /** Resolves when `condition` holds; it is looked at with each delivery. */
  async until(condition: () => boolean, what: () => string = () => `it did not hold after ${this.all.length} deliveries`): Promise<void> {
    const end = Date.now() + WAIT_MS;
    while (!condition()) {
      assert.ok(Date.now() < end, what());
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 100);
        this.waiting.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  async close(): Promise<void> {
    await this.subscription?.close();
  }
}

/** Waits until a state comes true that announces nothing. */
export async function eventually(condition: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + WAIT_MS;
  while (!(await condition())) {
    assert.ok(Date.now() < end, 'it did not come true');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

export function ids(count: number): string[] {
  return Array.from({ length: count }, (_each, index) => String(index));
}

export function idOf(delivery: { readonly message: MainStreamMessage }): string {
  return String(delivery.message.value);
}

export function same(a: Buffer | null, b: Buffer | string | null): boolean {
  return a === null || b === null ? a === b : a.equals(Buffer.from(b as Buffer));
}

/** Values by name, in order: a broker's driver may keep the order of each name only. */
export function grouped(headers: MainStreamMessage['headers']): [string, string[]][] {
  const byName = new Map<string, string[]>();
  for (const [name, value] of headers) byName.set(name, [...(byName.get(name) ?? []), value.toString('hex')]);
  return [...byName].sort(([a], [b]) => (a < b ? -1 : 1));
}

export function assertKeyOrder(deliveries: readonly MainStreamDelivery[]): void {
  const last = new Map<string, number>();
  for (const delivery of deliveries) {
    const key = String(delivery.message.key);
    const id = Number(idOf(delivery));
    assert.ok(id > (last.get(key) ?? -1), `${id} came after ${last.get(key)} of ${key}`);
    last.set(key, id);
  }
}

export function tick(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
