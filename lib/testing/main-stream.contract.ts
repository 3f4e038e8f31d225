import assert from 'node:assert/strict';
import type { MainStream, MainStreamDelivery, MainStreamMessage, MainStreamSubscribeOptions, MainStreamSubscription, OutgoingMessage } from '../streams/main-stream';

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

export interface MainStreamContractOptions {
  /** The system, for titles. */
  readonly name: string;
  /** Called once for each test. */
  readonly create: () => Promise<MainStreamFixture>;
  /** @default the globals `describe` and `it` */
  readonly runner?: TestRunner;
}

const TEST_TIMEOUT_MS = 60_000;
const WAIT_MS = 30_000;
const DRAIN_TIMEOUT_MS = 5_000;

/**
 * Holds an implementation of {@link MainStream} to its numbered promises (docs/guarantees.md). Declared capabilities are tested;
 * a stream without `rebalance` need not share topics within a group. A stream that is not durable need not keep what was sent
 * before anybody subscribed.
 */
export function testMainStream({ name, create, runner }: MainStreamContractOptions): void {
  const { describe, it } = runner ?? (globalThis as unknown as TestRunner);

  const test = (title: string, body: (bench: Bench) => Promise<void>): void =>
    it(
      title,
      async () => {
        const bench = new Bench(await create());
        try {
          await bench.stream.connect();
          await body(bench);
        } finally {
          await bench.close();
        }
      },
      TEST_TIMEOUT_MS,
    );

  describe(`main stream: ${name}`, () => {
    test('M1: what was published and acknowledged is delivered, its bytes, key and headers as they were', async (bench) => {
      const topic = bench.topic();
      const bytes = Buffer.from(Array.from({ length: 256 }, (_each, index) => index));
      const sent: OutgoingMessage[] = [
        { topic, key: 'a', value: bytes, headers: [['trace', Buffer.from('1')], ['binary', bytes], ['trace', Buffer.from('2')]] },
        { topic, key: null, value: Buffer.from('no key'), headers: [] },
        { topic, key: Buffer.from([0, 255]), value: Buffer.alloc(0), headers: [['empty', Buffer.alloc(0)]] },
        { topic, key: 'ü', value: null, headers: [['constructor', Buffer.from('x')], ['__proto__', Buffer.from('y')]] },
      ];
      const reader = await bench.subscribe({ topics: [topic] });
      for (const message of sent) await bench.stream.publish(message);
      const received = (await reader.take(sent.length)).map(({ message }) => message);
      for (const message of sent) {
        const found = received.find(({ value, key }) => same(value, message.value) && same(key, message.key));
        assert.ok(found, `not delivered as it was: ${JSON.stringify(message)}`);
        assert.equal(found.topic, topic);
        assert.deepEqual(grouped(found.headers), grouped(message.headers));
        assert.match(found.offset, /^\d+$/);
        assert.ok(Math.abs(found.timestamp - Date.now()) < 3_600_000, 'the timestamp is in epoch ms');
      }
    });

    test('M1: subscribe resolves when the subscriber is assigned: what is published from then on reaches it', async (bench) => {
      const topic = bench.topic();
      const reader = await bench.subscribe({ topics: [topic] });
      await bench.publish(topic, ids(10));
      assert.deepEqual(new Set((await reader.take(10)).map(idOf)), new Set(ids(10)));
    });

    test('M1: each group receives every message', async (bench) => {
      const topic = bench.topic();
      const readers = [await bench.subscribe({ topics: [topic], group: bench.group() }), await bench.subscribe({ topics: [topic], group: bench.group() })];
      await bench.publish(topic, ids(100));
      for (const reader of readers) assert.deepEqual(new Set((await reader.take(100)).map(idOf)), new Set(ids(100)));
    });

    test('M1: one subscriber reads several topics, and none that it did not name', async (bench) => {
      const [first, second, foreign] = [bench.topic(), bench.topic(), bench.topic()];
      const other = await bench.subscribe({ topics: [foreign], group: bench.group() });
      const reader = await bench.subscribe({ topics: [first, second] });
      await bench.publish(foreign, ['foreign']);
      await bench.publish(first, ids(5));
      await bench.publish(second, ids(5));
      const topics = (await reader.take(10)).map(({ message }) => message.topic);
      assert.deepEqual([first, second].map((topic) => topics.filter((each) => each === topic).length), [5, 5]);
      await other.take(1);
      assert.equal(reader.all.length, 10);
    });

    test('M3: what was released is delivered again, with a rank that is not smaller; what was settled is not', async (bench) => {
      const topic = bench.topic();
      let releases = 3;
      const reader = await bench.subscribe({
        topics: [topic],
        onDelivery: (delivery) => (idOf(delivery) === '3' && releases-- > 0 ? delivery.release() : delivery.settle()),
      });
      await bench.publish(topic, ids(10), () => 'k');
      const deliveries = await reader.take(13);
      const again = deliveries.filter((delivery) => idOf(delivery) === '3').map(({ message }) => message.rank);
      assert.equal(again.length, 4);
      assert.deepEqual(again, [...again].sort((a, b) => a - b));
      await bench.publish(topic, ['last'], () => 'k');
      await reader.until(() => reader.all.some((each) => idOf(each) === 'last'));
      for (const id of ids(10)) assert.equal(reader.all.filter((each) => idOf(each) === id).length, id === '3' ? 4 : 1, `message ${id}`);
    });

    test('M4: messages of one key are delivered in the order they were published', async (bench) => {
      if (!bench.stream.capabilities.keyOrder) return;
      const topic = bench.topic();
      const reader = await bench.subscribe({ topics: [topic], onDelivery: (delivery) => delivery.settle() });
      await bench.publish(topic, ids(1_000), (id) => `key ${Number(id) % 7}`);
      assertKeyOrder(await reader.take(1_000));
    });

    test('M5: what was settled is not delivered to the next subscriber of the group, what was not is (M8)', async (bench) => {
      const topic = bench.topic();
      const group = bench.group();
      const kept = new Set(['17', '40']);
      const first = await bench.subscribe({ topics: [topic], group, drainTimeoutMs: 50, onDelivery: (each) => !kept.has(idOf(each)) && each.settle() });
      await bench.publish(topic, ids(50), (id) => id);
      await first.take(50);
      const late = first.all.filter((each) => kept.has(idOf(each)));
      for (const delivery of late) assert.equal(delivery.revoked.aborted, false);
      await first.close();
      for (const delivery of late) {
        assert.equal(delivery.revoked.aborted, true, 'what was not settled in time is aborted');
        delivery.settle();
      }
      const second = await bench.subscribe({ topics: [topic], group });
      await second.until(() => [...kept].every((id) => second.all.some((each) => idOf(each) === id)));
      const received = new Set(second.all.map(idOf));
      for (const delivery of second.all) {
        const before = late.find((each) => idOf(each) === idOf(delivery));
        if (before) assert.ok(delivery.message.rank >= before.message.rank, 'M3: a later delivery has no smaller rank');
      }
      // Behind an unsettled message of the same partition nothing is saved; before all of them everything is.
      const offsets = new Map(late.map(({ message }) => [message.partition, Number(message.offset)]));
      for (const { message } of first.all) {
        const hole = offsets.get(message.partition);
        if (hole === undefined || Number(message.offset) < hole) assert.ok(!received.has(String(message.value)), `${String(message.value)} was settled and came again`);
      }
    });

    test('M8: close waits for what is in flight, and hands over nothing more', async (bench) => {
      const topic = bench.topic();
      const group = bench.group();
      const reader = await bench.subscribe({ topics: [topic], group, maxInFlight: 5 });
      await bench.publish(topic, ids(20));
      const inFlight = await reader.take(5);
      const closing = reader.close();
      let closed = false;
      void closing.then(() => (closed = true));
      for (const delivery of inFlight) {
        await tick();
        assert.equal(closed, false, 'closed before its work was done');
        delivery.settle();
      }
      await closing;
      assert.equal(reader.all.length, 5, 'handed over after close');
      for (const delivery of inFlight) assert.equal(delivery.revoked.aborted, false, 'aborted although in time');
      const next = await bench.subscribe({ topics: [topic], group });
      const rest = new Set((await next.take(15)).map(idOf));
      for (const delivery of inFlight) assert.ok(!rest.has(idOf(delivery)), 'settled and delivered again');
    });

    test('M7: no more than maxInFlight are handed over and unsettled, over 5,000 messages', async (bench) => {
      const topic = bench.topic();
      let inFlight = 0;
      let most = 0;
      const reader = await bench.subscribe({
        topics: [topic],
        maxInFlight: 20,
        onDelivery: (delivery) => {
          most = Math.max(most, ++inFlight);
          setImmediate(() => {
            inFlight--;
            delivery.settle();
          });
        },
      });
      await bench.publish(topic, ids(5_000));
      await reader.take(5_000);
      assert.equal(most, 20);
      assert.equal(new Set(reader.all.map(idOf)).size, 5_000);
    });

    test('M7: what is released or settled out of order makes room', async (bench) => {
      const topic = bench.topic();
      const reader = await bench.subscribe({ topics: [topic], maxInFlight: 2 });
      await bench.publish(topic, ids(3), () => 'k');
      const [first, second] = await reader.take(2);
      assert.equal(reader.all.length, 2);
      second!.settle();
      await reader.take(3);
      first!.settle();
    });

    test('a subscriber takes over from one that went, and joins one that works: nothing is lost', async (bench) => {
      if (!bench.stream.capabilities.rebalance) return;
      const topic = bench.topic();
      const group = bench.group();
      const total = 2_000;
      const seen = new Map<string, number>();
      const onDelivery = (delivery: MainStreamDelivery): void => {
        seen.set(idOf(delivery), (seen.get(idOf(delivery)) ?? 0) + 1);
        setImmediate(() => delivery.settle());
      };
      const first = await bench.subscribe({ topics: [topic], group, onDelivery });
      const publish = (from: number, to: number) => bench.publish(topic, ids(to).slice(from), (id) => `key ${Number(id) % 16}`);
      await publish(0, 500);
      const joining = bench.subscribe({ topics: [topic], group, onDelivery });
      await publish(500, 1_000);
      const second = await joining;
      await publish(1_000, 1_500);
      await first.close();
      await publish(1_500, total);
      await second.until(() => seen.size === total);
      const duplicates = [...seen.values()].reduce((sum, count) => sum + count - 1, 0);
      assert.ok(duplicates <= total / 100, `${duplicates} of ${total} were delivered twice`);
    });

    test('lag counts what the group has not handled', async (bench) => {
      if (!bench.stream.capabilities.lag) return;
      const topic = bench.topic();
      const group = bench.group();
      const lagOf = async () => (await bench.stream.lag!(group, [topic])).get(topic);
      const reader = await bench.subscribe({ topics: [topic], group });
      assert.equal(await lagOf(), 0);
      await bench.publish(topic, ids(10), () => 'k');
      const deliveries = await reader.take(10);
      for (const delivery of deliveries.slice(0, 4)) delivery.settle();
      await eventually(async () => (await lagOf()) === 6);
      for (const delivery of deliveries.slice(4)) delivery.settle();
      await reader.close();
      assert.equal(await lagOf(), 0);
    });

    test('what is used after close errs CLOSED, and closing twice is harmless', async (bench) => {
      const topic = bench.topic();
      const reader = await bench.subscribe({ topics: [topic] });
      const states: string[] = [];
      const off = bench.stream.onStatus((status) => states.push(status));
      assert.equal(states[0], 'connected', 'the first call comes at once');
      await Promise.all([reader.close(), reader.close()]);
      await bench.stream.close();
      await bench.stream.close();
      assert.equal(states.at(-1), 'disconnected');
      off();
      const closed = { code: 'CLOSED' };
      await assert.rejects(bench.stream.publish({ topic, key: null, value: null, headers: [] }), closed);
      await assert.rejects(bench.stream.subscribe({ group: bench.group(), topics: [topic], maxInFlight: 1, drainTimeoutMs: 0, onDelivery: (each) => each.settle() }), closed);
    });
  });
}

type SubscribeOptions = Partial<Omit<MainStreamSubscribeOptions, 'onDelivery'>> & {
  readonly topics: readonly string[];
  readonly onDelivery?: (delivery: MainStreamDelivery) => unknown;
};

/** The stream of one test, and what the test began with it. */
class Bench {
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

class Reader {
  readonly all: MainStreamDelivery[] = [];
  subscription: MainStreamSubscription | undefined;
  private waiting: (() => void)[] = [];

  onDelivery(delivery: MainStreamDelivery): void {
    this.all.push(delivery);
    for (const wake of this.waiting.splice(0)) setImmediate(wake);
  }

  /** The first `count` deliveries, once they are there. */
  async take(count: number): Promise<MainStreamDelivery[]> {
    await this.until(() => this.all.length >= count, () => `${this.all.length} of ${count} deliveries came`);
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

function ids(count: number): string[] {
  return Array.from({ length: count }, (_each, index) => String(index));
}

function idOf(delivery: { readonly message: MainStreamMessage }): string {
  return String(delivery.message.value);
}

function same(a: Buffer | null, b: Buffer | string | null): boolean {
  return a === null || b === null ? a === b : a.equals(Buffer.from(b as Buffer));
}

/** Values by name, in order: a broker's driver may keep the order of each name only. */
function grouped(headers: MainStreamMessage['headers']): [string, string[]][] {
  const byName = new Map<string, string[]>();
  for (const [name, value] of headers) byName.set(name, [...(byName.get(name) ?? []), value.toString('hex')]);
  return [...byName].sort(([a], [b]) => (a < b ? -1 : 1));
}

function assertKeyOrder(deliveries: readonly MainStreamDelivery[]): void {
  const last = new Map<string, number>();
  for (const delivery of deliveries) {
    const key = String(delivery.message.key);
    const id = Number(idOf(delivery));
    assert.ok(id > (last.get(key) ?? -1), `${id} came after ${last.get(key)} of ${key}`);
    last.set(key, id);
  }
}

function tick(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

async function eventually(condition: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + WAIT_MS;
  while (!(await condition())) {
    assert.ok(Date.now() < end, 'it did not come true');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
