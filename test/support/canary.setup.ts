import { afterAll, afterEach, chai, expect } from 'vitest';
import { SILENT_LOGGER } from '../../lib/common/logger';
import { outputWatcher, takeLeaks, watchError, watchText } from './canary';

/*
 * The run's own Redis wants a password, which must not be seen: not in what this process prints, nor in what its apps do (app-process.ts),
 * nor in a line for a logger, nor anywhere in an error that a test looks at. Leaks are noted where they happen, where a throw could be
 * swallowed, and fail the test, or the file, that they come from.
 */
for (const stream of [process.stdout, process.stderr]) {
  const watch = outputWatcher(stream === process.stdout ? 'stdout' : 'stderr');
  const write = stream.write.bind(stream) as (...args: unknown[]) => boolean;
  stream.write = (...args: unknown[]): boolean => {
    watch(args[0] as string);
    return write(...args);
  };
}
for (const method of ['debug', 'log', 'info', 'warn', 'error'] as const) {
  const print = console[method].bind(console);
  console[method] = (...args: unknown[]): void => {
    for (const arg of args) {
      if (arg instanceof Error) watchError(`console.${method}`, arg);
      else watchText(`console.${method}`, typeof arg === 'string' ? arg : (JSON.stringify(arg) ?? ''));
    }
    print(...args);
  };
}
for (const level of ['log', 'warn', 'error', 'debug'] as const) SILENT_LOGGER[level] = (line: string) => watchText(`logger.${level}`, line);

// What the matchers of vitest look at, toMatchObject among them, also where a promise is rejected with it; chai's own do not.
Object.defineProperty(chai.Assertion.prototype, '_obj', {
  get(this: object): unknown {
    const looked: unknown = chai.util.flag(this, 'object');
    if (looked instanceof Error) watchError('an error', looked);
    return looked;
  },
});

function expectNone(): void {
  const leaks = takeLeaks();
  if (leaks.length > 0) expect.fail(`The password was shown:\n${leaks.join('\n')}`);
}
afterEach(expectNone);
afterAll(expectNone);
