import type { ISocketFactoryArgs } from 'kafkajs';
import type { Socket } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import type { KafkaMainStream } from '../../lib/streams/kafka/kafka.main-stream';
import { createSocket } from '../../lib/streams/kafka/kafka.socket';
import type { MainStreamSubscription } from '../../lib/streams/main-stream';
import { openStream } from '../fault/kafka-load';
import { eventually } from '../support/eventually';
import { freshName } from '../support/fresh-name';
import { report } from '../support/report';
import { describeWith } from '../support/servers';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy';

const PARTITIONS = 6;
const BACKLOG = 300;
/** Far below the session timeout of 30 s, which is how long a member that is gone without a word keeps its partitions. */
const TAKEN_OVER_WITHIN_MS = 8_000;
/** A member that leaves waits for nobody: neither for the others' joins nor for the end of its patience with a broker, of 2 s a step. */
const CLOSED_WITHIN_MS = 1_500;

/** A member that can be frozen, as SIGSTOP freezes a process, and whose end takes its sockets with it. */
class Member {
  readonly handled: { readonly id: number; readonly partition: number; readonly at: number }[] = [];
  readonly stream: KafkaMainStream;
  rebalancing = false;
  private readonly sockets = new Set<Socket>();

  constructor(
    kafkaUrl: string,
    private readonly proxy: TcpProxy,
  ) {
    this.stream = openStream(kafkaUrl, {
      partitions: PARTITIONS,
      // What was handled is committed at closing alone.
      commitIntervalMs: 600_000,
      client: {
        socketFactory: (args: ISocketFactoryArgs) => {
          const socket = createSocket({ ...args, port: proxy.port });
          this.sockets.add(socket);
          return socket;
        },
      },
    });
    this.stream.onStatus((status) => (this.rebalancing = status === 'rebalancing'));
  }

  static async open(kafkaUrl: string): Promise<Member> {
    return new Member(kafkaUrl, await startTcpProxy({ targetPort: Number(new URL(kafkaUrl).port) }));
  }

  join(group: string, topic: string): Promise<MainStreamSubscription> {
    return this.stream.subscribe({
      group,
      topics: [topic],
      maxInFlight: 100,
      drainTimeoutMs: 500,
      onDelivery: (delivery) => {
        const { partition, value } = delivery.message;
        this.handled.push({ id: Number(String(value)), partition, at: performance.now() });
        delivery.settle();
      },
    });
  }

  freeze(): void {
    this.proxy.stall();
  }

  thaw(): void {
    this.proxy.resume();
  }

  /** Ends as a process does: once it is closed nothing of it is left. Resolves with how long closing took, in ms. */
  async end(): Promise<number> {
    const began = performance.now();
    await this.stream.close();
    const tookMs = performance.now() - began;
    for (const socket of this.sockets) socket.destroy();
    await this.proxy.close();
    return Math.round(tookMs);
  }
}

describeWith(['kafka'], 'a member that is closed while a rebalance waits for another', ({ kafkaUrl }) => {
  const members: Member[] = [];
  afterEach(async () => {
    await Promise.all(members.splice(0).map((member) => member.end()));
  });
  const open = async (): Promise<Member> => {
    const member = await Member.open(kafkaUrl);
    members.push(member);
    return member;
  };
  let sent = 0;
  const publish = async (stream: KafkaMainStream, topic: string, count: number): Promise<void> => {
    const ids = Array.from({ length: count }, () => sent++);
    await Promise.all(ids.map((id) => stream.publish({ topic, key: `key ${id}`, value: Buffer.from(String(id)), headers: [] })));
  };
  const workingPair = async () => {
    const [topic, group] = [freshName('leaving'), freshName('group')];
    const [first, second, late] = [await open(), await open(), await open()];
    await first.join(group, topic);
    await second.join(group, topic);
    sent = 0;
    await eventually('both work', async () => {
      await publish(late.stream, topic, 10);
      return new Set(second.handled.map(({ partition }) => partition)).size === PARTITIONS / 2;
    });
    await publish(late.stream, topic, BACKLOG);
    const handled = (of: readonly Member[]) => of.flatMap((member) => member.handled);
    await eventually('all are handled', () => new Set(handled([first, second]).map(({ id }) => id)).size === sent);
    return { topic, group, first, second, late, handled };
  };
  /** How long it takes until all partitions are worked on by these. */
  const takenOver = async (by: readonly Member[], topic: string): Promise<number> => {
    const since = performance.now();
    const first = new Map<number, number>();
    await eventually(
      'all partitions are worked on',
      async () => {
        await publish(by[0]!.stream, topic, PARTITIONS);
        for (const { partition, at } of by.flatMap(({ handled }) => handled))
          if (at > since) first.set(partition, Math.min(at, first.get(partition) ?? Infinity));
        return first.size === PARTITIONS;
      },
      { timeoutMs: 60_000, intervalMs: 50 },
    );
    return Math.round(Math.max(...first.values()) - since);
  };

  it('commits and leaves at once, and the others have its partitions', { timeout: 120_000 }, async () => {
    const { topic, group, first, second, late, handled } = await workingPair();
    second.freeze();
    const joining = late.join(group, topic);
    await eventually('the first one joins anew', () => first.rebalancing);
    const closedMs = await first.end();
    second.thaw();
    const takenOverMs = await takenOver([late, second], topic);
    await joining;
    const own = new Set(first.handled.map(({ id }) => id));
    const twice = handled([second, late]).filter(({ id }) => own.has(id)).length;
    report('leaving in a rebalance', { closedMs, takenOverMs, twice, ofHandled: own.size });
    expect(twice).toBe(0);
    expect(closedMs).toBeLessThan(CLOSED_WITHIN_MS);
    expect(takenOverMs).toBeLessThan(TAKEN_OVER_WITHIN_MS);
  });

  it('leaves also where it had not joined yet', { timeout: 120_000 }, async () => {
    const { topic, group, first, second, late } = await workingPair();
    second.freeze();
    const joining = late.join(group, topic).then(
      () => expect.fail('it joined'),
      (error: unknown) => error,
    );
    await eventually('the first one joins anew', () => first.rebalancing);
    const closedMs = await late.end();
    expect(await joining).toMatchObject({ code: 'CLOSED' });
    second.thaw();
    const takenOverMs = await takenOver([first, second], topic);
    report('leaving in a first join', { closedMs, takenOverMs });
    expect(closedMs).toBeLessThan(CLOSED_WITHIN_MS);
    expect(takenOverMs).toBeLessThan(TAKEN_OVER_WITHIN_MS);
  });
});
