import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { HOOK_NAMES, type LifecycleHooks } from '../../../lib/lifecycle/hooks';
import { Lifecycle, type HookOwner } from '../../../lib/lifecycle/lifecycle';
import { RecordingLogger } from '../../support/recording-logger';

type Hooks = LifecycleHooks<string, string>;

function lifecycleOf(...owners: (Partial<HookOwner<string, string>> & { hooks: Hooks })[]) {
  const logger = new RecordingLogger();
  const time = { now: 0 };
  const lifecycle = new Lifecycle<string, string>(
    owners.map((owner, at) => ({ name: `Owner${at}`, ...owner })),
    logger,
    () => time.now,
  );
  return { lifecycle, logger, time };
}

describe('Lifecycle', () => {
  it('has no caller where nobody has the hook, or wants it', () => {
    const { lifecycle } = lifecycleOf({ hooks: { onRetry: () => undefined } }, { hooks: { onStats: undefined } });
    for (const name of HOOK_NAMES) expect(lifecycle.caller(name) === undefined, name).toBe(name !== 'onRetry');
    expect(lifecycle.caller('onRetry', () => false)).toBeUndefined();
  });

  it('makes no promise where no hook does', () => {
    const { lifecycle } = lifecycleOf({ hooks: { onConsumeBegin: () => 1 } }, { hooks: { onConsumeBegin: () => ({ than: 1 }) } });
    expect(lifecycle.caller('onConsumeBegin')!('x')).toBeUndefined();
  });

  it('calls all in order, with their own this, and waits for those that take time side by side', async () => {
    class Owner {
      readonly seen: string[] = [];
      open = (): void => undefined;
      onConsumeBegin(context: string): Promise<void> {
        this.seen.push(context);
        return new Promise((resolve) => (this.open = resolve));
      }
    }
    const [one, other] = [new Owner(), new Owner()];
    const { lifecycle } = lifecycleOf({ hooks: one }, { hooks: { onConsumeBegin: () => undefined } }, { hooks: other });
    let done = false;
    const called = lifecycle.caller('onConsumeBegin')!('x')!.then(() => (done = true));
    expect([one.seen, other.seen]).toEqual([['x'], ['x']]);
    other.open();
    await turn();
    expect(done).toBe(false);
    one.open();
    await called;
  });

  it('neither a throw nor a rejection reaches who tells, or other hooks', async () => {
    let called = 0;
    const { lifecycle, logger } = lifecycleOf(
      { hooks: { onConsumeBegin: () => Promise.reject(new Error('rejected')) } },
      {
        hooks: {
          onConsumeBegin: () => {
            throw { odd: true };
          },
        },
      },
      { hooks: { onConsumeBegin: () => void (called += 1) } },
    );
    await expect(lifecycle.caller('onConsumeBegin')!('x')).resolves.toBeUndefined();
    expect(called).toBe(1);
    expect(logger.having('The hook Owner0.onConsumeBegin failed; nothing else is changed by it: Error: rejected')).toHaveLength(1);
    expect(logger.having('The hook Owner1.onConsumeBegin failed; nothing else is changed by it: { odd: true }')).toHaveLength(1);
  });

  it('says a failure at once, and those of the next minute by their number, for all callers of a hook together', () => {
    const broken = (): never => {
      throw new Error('broken');
    };
    const { lifecycle, logger, time } = lifecycleOf({ hooks: { onRetry: broken, onCancel: broken } });
    const callers = [lifecycle.caller('onRetry')!, lifecycle.caller('onRetry')!];
    const fail = (): void => callers.forEach((call) => void call('x', { error: 1, attempt: 1, delayMs: 1 }));
    for (let second = 0; second <= 59; second++) {
      time.now = second * 1_000;
      fail();
    }
    expect(logger.having('onRetry failed')).toHaveLength(1);
    time.now = 60_000;
    fail();
    expect(logger.having('onRetry failed')).toHaveLength(2);
    expect(logger.having('onRetry failed, 119 times more since that was last said')).toHaveLength(1);
    void lifecycle.caller('onCancel')!('x', {} as never);
    expect(logger.having('onCancel failed;')).toHaveLength(1);
  });

  it('looks a hook up when it calls it', () => {
    const seen: string[] = [];
    const hooks: { onConsumeBegin?: (context: string) => void } = { onConsumeBegin: () => seen.push('first') };
    const { lifecycle } = lifecycleOf({ hooks });
    const call = lifecycle.caller('onConsumeBegin')!;
    hooks.onConsumeBegin = () => seen.push('second');
    void call('x');
    expect(seen).toEqual(['second']);
  });
});
