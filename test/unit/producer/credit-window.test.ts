import { describe, expect, it } from 'vitest';
import { CreditWindow } from '../../../lib/producer/credit-window';

/** A reader that takes each frame as it comes; what it granted. */
function readAll(window: CreditWindow, frames: number, bytes = 100): number[] {
  const grants: number[] = [];
  for (let n = 0; n < frames; n++) {
    window.onFrame(bytes);
    const upTo = window.onRead();
    if (upTo !== undefined) grants.push(upTo);
  }
  return grants;
}

describe('CreditWindow', () => {
  it('F5: grants nothing while nothing is read', () => {
    const window = new CreditWindow(10, { bytes: 1_000_000 });
    for (let n = 0; n < 10; n++) window.onFrame(100);
    expect([window.upTo, window.isStarving]).toEqual([10, false]);
  });

  it('F5: grants when half of the window is read, and doubles it for a reader that keeps up', () => {
    const window = new CreditWindow(8, { bytes: 1_000_000 });
    expect(readAll(window, 40)).toEqual([20, 44, 92]);
  });

  it('F5: does not grow for a reader that is behind', () => {
    const window = new CreditWindow(8, { bytes: 1_000_000 });
    for (let n = 0; n < 8; n++) window.onFrame(100);
    const grants = Array.from({ length: 6 }, () => window.onRead()).filter((upTo) => upTo !== undefined);
    expect(grants).toEqual([12]);
  });

  it('F5: grows within the bytes of the connection, and gives them back at the end', () => {
    const budget = { bytes: 1_000 };
    const window = new CreditWindow(8, budget);
    readAll(window, 1_000);
    expect(budget.bytes).toBe(200);
    expect(window.upTo).toBeLessThanOrEqual(1_016);
    window.close();
    window.close();
    expect(budget.bytes).toBe(1_000);
  });

  it('starves when all that came is read, and a grant is out', () => {
    const window = new CreditWindow(4, { bytes: 0 });
    expect(window.isStarving).toBe(false);
    for (let n = 0; n < 2; n++) window.onFrame(1);
    window.onRead();
    expect(window.isStarving).toBe(false);
    expect(window.onRead()).toBe(6);
    expect(window.isStarving).toBe(true);
    window.onFrame(1);
    expect(window.isStarving).toBe(false);
  });

  it('begins anew with another run', () => {
    const window = new CreditWindow(8, { bytes: 1_000_000 });
    readAll(window, 40);
    window.restart();
    expect(window.upTo).toBe(8);
  });
});
