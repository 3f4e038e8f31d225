import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { StreambackConnectionError } from '../../../lib/common/errors';
import { allOf, Opening } from '../../../lib/consumer/opening';
import { RecordingLogger } from '../../support/recording-logger';

const away = new StreambackConnectionError('UNREACHABLE', 'redis://user:canary-secret@cache is away');
const refused = new StreambackConnectionError('NOT_AUTHORIZED', 'no');

/** An opening whose tries end as `outcomes` say; the last one stays. */
function opening(...outcomes: readonly (Error | 'opens' | 'hangs')[]) {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const logger = new RecordingLogger();
  let tries = 0;
  const made = new Opening({
    group: 'reports',
    logger,
    open: async () => {
      const outcome = outcomes[Math.min(tries++, outcomes.length - 1)]!;
      if (outcome === 'hangs') return new Promise(() => {});
      if (outcome !== 'opens') throw outcome;
    },
  });
  return { opening: made, logger, tries: () => tries };
}

const levels = ({ lines }: RecordingLogger): string[] => lines.map((line) => line.split(' ')[0]!);

describe('Opening', () => {
  it('resolves once it is open, and logs nothing', async () => {
    const { opening: made, logger, tries } = opening('opens');
    await made.begin();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(tries()).toBe(1);
    expect(logger.lines).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('rejects with what trying again does not mend', async () => {
    for (const error of [refused, new StreambackConnectionError('UNKNOWN_TOPIC', 'no'), new TypeError('odd')]) {
      const { opening: made, tries } = opening(error);
      await expect(made.begin()).rejects.toBe(error);
      await vi.advanceTimersByTimeAsync(60_000);
      expect(tries()).toBe(1);
    }
  });

  it('goes on in the background, with at most 0.6 s between tries; one line at the beginning, one at the end', async () => {
    const { opening: made, logger, tries } = opening(...Array.from({ length: 30 }, () => away), 'opens');
    await made.begin();
    expect(made.failure).toBe(away);
    await vi.advanceTimersByTimeAsync(30 * 600);
    expect(tries()).toBe(31);
    expect(made.failure).toBeUndefined();
    expect(levels(logger)).toEqual(['error', 'log']);
    expect(JSON.stringify(logger.lines)).not.toContain('canary-secret');
  });

  it('tells each reason once, and not without end', async () => {
    const kafka = new StreambackConnectionError('UNREACHABLE', 'Kafka is away');
    const { opening: made, logger } = opening(
      away,
      kafka,
      away,
      kafka,
      ...Array.from({ length: 20 }, (_, at) => new Error(`${at}`)),
      'opens',
    );
    await made.begin();
    await vi.advanceTimersByTimeAsync(30 * 600);
    expect(made.failure).toBeUndefined();
    expect(logger.having('Kafka is away')).toHaveLength(1);
    expect(levels(logger)).toEqual([...Array<string>(10).fill('error'), 'log']);
  });

  it('what comes later and does not pass is logged once, told, and tried on', async () => {
    const { opening: made, logger, tries } = opening(away, refused);
    await made.begin();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(made.failure).toBe(refused);
    expect(tries()).toBeGreaterThan(5);
    expect(levels(logger).filter((level) => level === 'error')).toHaveLength(2);
  });

  it('a group that cannot be joined does not hold up the start for ever', async () => {
    const { opening: made, logger } = opening('hangs');
    let started = false;
    void made.begin().then(() => (started = true));
    await vi.advanceTimersByTimeAsync(9_000);
    expect(started).toBe(false);
    await vi.advanceTimersByTimeAsync(1_001);
    expect(started).toBe(true);
    expect(made.failure).toMatchObject({ code: 'UNREACHABLE' });
    expect(levels(logger)).toEqual(['error']);
  });

  it('ends at once, and leaves no timer', async () => {
    const waiting = opening(away);
    await waiting.opening.begin();
    waiting.opening.end();
    expect(vi.getTimerCount()).toBe(0);
    const tries = waiting.tries();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(waiting.tries()).toBe(tries);
    const hanging = opening('hangs');
    void hanging.opening.begin();
    hanging.opening.end();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('resolves where it is ended during the first try, whatever becomes of that', async () => {
    for (const cut of [new StreambackConnectionError('CLOSED', 'closed before it had joined'), away, refused]) {
      const { opening: made, logger } = opening(cut);
      const started = made.begin();
      made.end();
      await started;
      expect([made.failure, logger.lines, vi.getTimerCount()]).toEqual([undefined, [], 0]);
    }
  });
});

it('allOf waits for all, and prefers what trying again does not mend', async () => {
  await expect(allOf(Promise.reject(away), Promise.reject(refused))).rejects.toBe(refused);
  await expect(allOf(Promise.reject(away), Promise.resolve())).rejects.toBe(away);
  await allOf(Promise.resolve());
});
