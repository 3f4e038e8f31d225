import { describe, expect, it } from 'vitest';
import { measure } from '../../../bench/measure';
import type { Item, Message, PeerClient } from '../../../bench/peer';
import type { Workload } from '../../../bench/workloads';

/** A peer that answers at once, with the ids that it is told to make of what was asked. */
const peerWith = (idsOf: (message: Message) => readonly number[]): PeerClient => ({
  emit: async () => undefined,
  async ask(_kind, message, onAnswer) {
    for (const id of idsOf(message)) onAnswer({ id, text: '' });
  },
  close: async () => undefined,
});
const whole = ({ id, items }: Message): number[] => (items === undefined ? [id] : Array.from({ length: items }, (_, item) => item));

const calls: Workload = { name: 'calls', kind: 'calls', inFlight: 10, textLength: 70, warmUp: 0 };
const streams: Workload = { ...calls, kind: 'streams', items: 5 };
const reads: Workload = { ...streams, kind: 'reads', itemDelayMs: 0, inFlight: 1 };

const measured = (client: PeerClient, workload: Workload, most = 20) =>
  measure(client, workload, 1, { durationMs: 10_000, least: 0, most }, { received: 0 });

describe('a measurement', () => {
  it.each([
    ['events', { ...calls, kind: 'events' as const }, 20],
    ['calls', calls, 20],
    ['streams', streams, 100],
    ['reads', reads, 100],
  ])('sends as many %s as it is told, and receives what they are answered with', async (_kind, workload, received) => {
    const report = await measured(peerWith(whole), workload);
    expect(report).toMatchObject({ sent: 20, received, lost: 0, twice: 0, disordered: 0, errors: [] });
  });

  it('lasts so long, but not before the least of messages', async () => {
    const report = await measure(peerWith(whole), calls, 1, { durationMs: 0, least: 7 }, { received: 0 });
    expect(report.sent).toBeGreaterThanOrEqual(7);
    expect(report.sent).toBeLessThan(7 + calls.inFlight);
  });

  it('tells what is lost, comes twice or out of order, by identity', async () => {
    const broken: Record<number, number[]> = { 3: [0, 1, 3, 4], 4: [0, 1, 1, 2, 3, 4], 5: [0, 2, 1, 3, 4] };
    const report = await measured(
      peerWith((message) => broken[message.id] ?? whole(message)),
      streams,
    );
    expect(report).toMatchObject({ sent: 20, received: 99, lost: 1, twice: 1, disordered: 2 });
  });

  it('counts an answer to another call as lost, and as one that nobody asked for', async () => {
    const report = await measured(
      peerWith(({ id }) => [id === 3 ? 4 : id]),
      calls,
    );
    expect(report).toMatchObject({ sent: 20, received: 19, lost: 1, twice: 1 });
  });

  it('counts what a failed call has not given, and says each error once', async () => {
    const failing: PeerClient = {
      ...peerWith(whole),
      async ask(_kind, { id }, onAnswer: (answer: Item) => void) {
        onAnswer({ id: 0, text: '' });
        if (id < 3) throw new Error('away');
        for (let item = 1; item < 5; item++) onAnswer({ id: item, text: '' });
      },
    };
    expect(await measured(failing, streams)).toMatchObject({ sent: 20, received: 88, lost: 12, errors: ['Error: away'] });
  });
});
