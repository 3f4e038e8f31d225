import { describe, expect, it } from 'vitest';
import { DuplicateGuard } from '../../../lib/consumer/duplicate-guard';

describe('DuplicateGuard', () => {
  it('F4: claims an id once, also after it has ended', () => {
    const guard = new DuplicateGuard();
    expect(guard.claim('a')).toBe(true);
    expect(guard.claim('b')).toBe(true);
    guard.finished('a');
    expect(guard.claim('a')).toBe(false);
  });

  it('M3: what was given back may run again', () => {
    const guard = new DuplicateGuard();
    void guard.claim('a');
    guard.released('a');
    expect(guard.claim('a')).toBe(true);
  });

  it('M2: while it runs, the same id waits for how that ends', async () => {
    const guard = new DuplicateGuard();
    void guard.claim('a');
    const waiting = [guard.claim('a'), guard.claim('a')];
    for (const each of waiting) expect(each).toBeInstanceOf(Promise);
    guard.released('a');
    for (const each of waiting) await each;
    expect(guard.claim('a')).toBe(true);
    const again = guard.claim('a');
    guard.finished('a');
    await again;
    expect(guard.claim('a')).toBe(false);
  });

  it('M3: counts the attempts of what was given back, until it is done', () => {
    const guard = new DuplicateGuard();
    const attempts: number[] = [];
    for (const end of ['released', 'released', 'forgotten', 'released'] as const) {
      void guard.claim('a');
      attempts.push(guard.attemptOf('a'));
      guard[end]('a');
    }
    expect(attempts).toEqual([1, 2, 3, 1]);
  });

  it('what had failed runs again when it is sent again with its id', () => {
    const guard = new DuplicateGuard();
    void guard.claim('a');
    guard.forgotten('a');
    expect(guard.claim('a')).toBe(true);
  });

  it('remembers a bounded number, the newest', () => {
    const guard = new DuplicateGuard();
    for (let id = 0; id < 25_000; id++) {
      void guard.claim(String(id));
      guard.finished(String(id));
    }
    const { recent, elder } = guard as unknown as Record<'recent' | 'elder', Map<string, unknown>>;
    expect(recent.size + elder.size).toBe(15_000);
    expect([guard.claim('24999'), guard.claim('10000'), guard.claim('9999')]).toEqual([false, false, true]);
  });

  it('M2: what runs for long is not forgotten, however many end meanwhile', async () => {
    const guard = new DuplicateGuard();
    expect(guard.claim('long')).toBe(true);
    for (let id = 0; id < 45_000; id++) {
      void guard.claim(String(id));
      guard.finished(String(id));
    }
    const again = guard.claim('long');
    expect(again).toBeInstanceOf(Promise);
    guard.finished('long');
    await again;
    expect(guard.claim('long')).toBe(false);
  });
});
