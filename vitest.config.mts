import { defineConfig } from 'vitest/config';

export default defineConfig({
  // Decorated classes in tests need legacy decorators with their metadata, as tsc emits them for lib.
  oxc: { decorator: { legacy: true, emitDecoratorMetadata: true } },
  test: {
    testTimeout: 20_000,
    hookTimeout: 60_000,
    projects: [
      {
        extends: true,
        // All cores: Vitest would leave one to itself, which is half of two.
        test: { name: 'unit', include: ['test/{unit,meta,simulation}/**/*.test.ts'], maxWorkers: '100%' },
      },
      {
        extends: true,
        test: {
          name: 'broker',
          include: ['test/{contract,e2e,fault,security,interop}/**/*.test.ts'],
          globalSetup: ['test/support/global-setup.ts'],
          setupFiles: ['test/support/canary.setup.ts'],
          // One file after another: bounds on time mean little where files compete for the same cores.
          fileParallelism: false,
          testTimeout: 60_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
