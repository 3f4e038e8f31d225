import { expect, it } from 'vitest';
import { loadPackage } from '../../../lib/common/optional-package';

it('a package that is not installed is named, with what to do', () => {
  expect(() => loadPackage('not-installed-anywhere', 'amqp:// streams')).toThrowError(
    expect.objectContaining({
      code: 'MISSING_PACKAGE',
      message: "amqp:// streams need the package 'not-installed-anywhere', which is not installed",
      remedy: 'npm install not-installed-anywhere',
    }),
  );
});

it('a package that is installed is loaded', () => {
  expect(loadPackage<typeof import('ioredis')>('ioredis', 'redis:// streams').Redis).toBeTypeOf('function');
});
