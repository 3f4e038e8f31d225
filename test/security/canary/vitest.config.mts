import { defineConfig } from 'vitest/config';

export default defineConfig({ test: { include: ['leaks.ts'], setupFiles: ['../../support/canary.setup.ts'] } });
