import { afterEach, expect, it } from 'vitest';
import type { StreambackModuleOptions } from '../../lib';
import { eventually } from '../support/eventually';
import { freshName } from '../support/fresh-name';
import { startKafka } from '../support/kafka';
import { FULL_SIZE, report } from '../support/report';
import { describeWith } from '../support/servers';
import { Scene, stateOf, wait } from './apps';
import { MemorySamples } from './memory';

/**
 * An hour, or as long as STREAMBACK_SOAK_MS says. In CI 20 s for losses alone: at half the peak each kind of operation has come many
 * hundred times by then, and leases, commits and heartbeats several times. Memory takes longer.
 */
const DURATION_MS = Number(process.env.STREAMBACK_SOAK_MS ?? (FULL_SIZE ? 3_600_000 : 20_000));
const WARM_UP_MS = Math.min(300_000, DURATION_MS / 5);
const SAMPLE_MS = Math.max(1_000, DURATION_MS / 720);
/** A line through less than half an hour says more of the collector's moods than of a leak. */
const ASSERT_SLOPE = DURATION_MS >= 1_800_000;
const SIZE = DURATION_MS < 60_000 ? `${DURATION_MS / 1_000} s` : `${Math.round(DURATION_MS / 6_000) / 10} min`;

describeWith(['own-kafka', 'own-redis'], 'R25 soak', () => {
  const scene = new Scene();
  afterEach(() => scene.close());

  it(`half the peak rate for ${SIZE}: 0 lost, 0 twice, memory stays`, { timeout: DURATION_MS + 300_000 }, async () => {
    // What was handled long ago need not fill the disk.
    const kafka = await startKafka({
      config: { 'log.segment.bytes': 16_777_216, 'log.retention.bytes': 67_108_864, 'log.retention.check.interval.ms': 10_000 },
    });
    scene.closers.push(() => kafka.stop());
    const redis = await scene.redis();
    const group = freshName('soak');
    const options: StreambackModuleOptions = {
      group,
      topicsPrefix: group,
      streams: `main=${kafka.url}&feedback=${redis.url}`,
      kafka: { partitions: 2 },
    };
    const service = await scene.app('service', options);
    const load = await scene.app('mixed-load', { ...options, group: 'load' });
    const { peakPerSecond } = await load.next<{ type: string; peakPerSecond: number }>('soaking', 60_000);
    const memory = { service: new MemorySamples(WARM_UP_MS), client: new MemorySamples(WARM_UP_MS) };
    const startedAt = performance.now();
    for (let atMs = 0; atMs < DURATION_MS; atMs = performance.now() - startedAt) {
      memory.service.add(atMs, await stateOf(service));
      memory.client.add(atMs, await stateOf(load));
      await wait(SAMPLE_MS);
    }
    load.send({ type: 'stop' });
    const { operations, ms } = await load.next<{ type: string; operations: number; ms: number }>('stopped');
    const clientState = async () => (await stateOf(load)) as unknown as LoadState;
    await eventually('all have ended', async () => (await clientState()).inFlight === 0, { timeoutMs: 30_000 }).catch(() => undefined);
    await eventually('the cancelled are stopped', async () => (await stateOf(service)).streaming === 0).catch(() => undefined);
    const client = await clientState();
    await eventually('all events came', async () => (await stateOf(service)).events === client.started.event).catch(() => undefined);
    const { events, eventsTwice, streaming } = await stateOf(service);
    const counts = {
      peakPerSecond,
      operations,
      perSecond: Math.round(operations / (ms / 1_000)),
      ...Object.fromEntries(Object.entries(client.started).map(([kind, count]) => [`${kind}s`, count])),
      answers: client.answers,
      lostOperations: client.inFlight,
      lostAnswers: client.missing,
      lostEvents: client.started.event - events,
      twice: client.twice + eventsTwice,
      outOfOrder: client.outOfOrder,
      unexpectedErrors: client.unexpected,
      streamsNotStopped: streaming,
      serviceRssMbIn10Min: memory.service.slope('rssMb'),
      clientRssMbIn10Min: memory.client.slope('rssMb'),
      serviceLiveMbIn10Min: memory.service.slope('liveMb'),
      clientLiveMbIn10Min: memory.client.slope('liveMb'),
      serviceRssMb: memory.service.last('rssMb'),
      clientRssMb: memory.client.last('rssMb'),
    };
    report('R25', counts, SIZE);
    expect(counts, client.lastUnexpected).toMatchObject({
      lostOperations: 0,
      lostAnswers: 0,
      lostEvents: 0,
      twice: 0,
      outOfOrder: 0,
      unexpectedErrors: 0,
      streamsNotStopped: 0,
    });
    expect(counts.perSecond).toBeGreaterThan(peakPerSecond * 0.4);
    if (ASSERT_SLOPE) expect(Math.max(counts.serviceRssMbIn10Min, counts.clientRssMbIn10Min)).toBeLessThan(1);
  });
});

interface LoadState {
  readonly started: Readonly<Record<string, number>> & { readonly event: number };
  readonly inFlight: number;
  readonly answers: number;
  readonly twice: number;
  readonly missing: number;
  readonly outOfOrder: number;
  readonly unexpected: number;
  readonly lastUnexpected: string;
}
