import { mkdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { cruise, type ICruiseResult, type IForbiddenRuleType } from 'dependency-cruiser';
import { expect, it, onTestFinished } from 'vitest';
import { temporaryFolder } from '../support/process-guard';

const ROOT = resolve(__dirname, '../..');
const { forbidden, options } = createRequire(__filename)(join(ROOT, '.dependency-cruiser.cjs')) as {
  forbidden: IForbiddenRuleType[];
  options: Record<string, unknown>;
};

/** For each rule imports that it must catch: the file, and what it imports from where it stands. */
const VIOLATIONS: Record<string, readonly (readonly [file: string, imported: string])[]> = {
  'common-imports': [['lib/common/clock.ts', '../protocol/frame']],
  'protocol-imports': [
    ['lib/protocol/frame.ts', '../streams/main-stream'],
    ['lib/protocol/frame.ts', '../context/call-context'],
  ],
  'context-imports': [['lib/context/call-context.ts', '../inbox/inbox']],
  'inbox-imports': [
    ['lib/inbox/inbox.ts', '../producer/producer'],
    ['lib/inbox/inbox.ts', '../streams/redis/redis.client'],
  ],
  'lifecycle-imports': [['lib/lifecycle/hooks.ts', '../consumer/consumer']],
  'extensions-imports': [
    ['lib/extensions/listener-stats.ts', '../consumer/consumer'],
    ['lib/extensions/listener-stats.ts', '../workers/supervisor'],
  ],
  'workers-imports': [['lib/workers/supervisor.ts', '../consumer/consumer']],
  'producer-imports': [
    ['lib/producer/producer.ts', '../consumer/consumer'],
    ['lib/producer/producer.ts', '../streams/kafka/kafka.main-stream'],
    ['lib/producer/producer.ts', '../streams/stream-resolver'],
  ],
  'consumer-imports': [
    ['lib/consumer/consumer.ts', '../producer/producer'],
    ['lib/consumer/consumer.ts', '../streams/memory/memory.main-stream'],
    ['lib/consumer/consumer.ts', '../streams/stream-resolver'],
  ],
  'health-imports': [
    ['lib/health/streamback.health.ts', '../producer/producer'],
    ['lib/health/streamback.health.ts', '../streams/kafka/kafka.main-stream'],
  ],
  'contract-imports': [
    ['lib/streams/main-stream.ts', './kafka/kafka.main-stream'],
    ['lib/streams/main-stream.ts', './stream-resolver'],
    ['lib/streams/main-stream.ts', '../producer/producer'],
  ],
  'adapter-imports': [
    ['lib/streams/kafka/kafka.main-stream.ts', '../redis/redis.client'],
    ['lib/streams/kafka/kafka.main-stream.ts', '../stream-resolver'],
    ['lib/streams/kafka/kafka.main-stream.ts', '../../inbox/inbox'],
  ],
  'resolver-imports': [['lib/streams/stream-resolver.ts', '../producer/producer']],
  'transport-is-outermost': [
    ['lib/producer/producer.ts', '../transport/streamback.client'],
    ['lib/scheduler/schedule.explorer.ts', '../transport/streamback.client'],
  ],
  'root-is-not-imported': [['lib/consumer/consumer.ts', '../streamback.options']],
  'index-is-not-imported': [['lib/transport/streamback.client.ts', '../index']],
  'root-imports': [['lib/streamback.module.ts', './testing/suite']],
  'testing-is-apart': [['lib/transport/streamback.client.ts', '../testing/suite']],
  'nest-only-at-the-face': [
    ['lib/consumer/consumer.ts', '@nestjs/common'],
    ['lib/common/logger.ts', '@nestjs/common'],
  ],
  'nest-package-roots': [['lib/transport/streamback.client.ts', '@nestjs/microservices/client/client-proxy']],
  'terminus-is-optional': [
    ['lib/health/streamback.health.ts', '@nestjs/terminus'],
    ['lib/streamback.module.ts', './health/terminus'],
  ],
  'kafkajs-only-in-its-adapter': [
    ['lib/consumer/consumer.ts', 'kafkajs'],
    ['lib/streams/redis/redis.client.ts', 'kafkajs'],
  ],
  'ioredis-only-in-its-adapter': [['lib/inbox/inbox.ts', 'ioredis']],
  'protocol-does-no-io': [['lib/protocol/frame.ts', 'node:fs']],
  'no-index': [['lib/producer/index.ts', './producer']],
  'no-cycle': [['lib/common/clock.ts', './errors']],
  'declared-packages': [
    ['lib/transport/streamback.client.ts', 'class-validator'],
    ['lib/transport/streamback.client.ts', 'not-a-package'],
  ],
  'lib-stands-alone': [['lib/producer/producer.ts', '../../test/support/redis']],
};

/** What the violations import, with imports that every rule allows. */
const CLEAN: Record<string, readonly string[]> = {
  'package.json': [],
  'lib/index.ts': ['./streamback.module'],
  'lib/streamback.module.ts': ['./transport/streamback.client', './streams/stream-resolver', '@nestjs/common', './streamback.options'],
  'lib/streamback.options.ts': ['./common/errors'],
  'lib/common/errors.ts': ['./clock'],
  'lib/common/clock.ts': ['node:timers'],
  'lib/common/logger.ts': [],
  'lib/protocol/frame.ts': ['../common/errors', 'node:crypto'],
  'lib/context/call-context.ts': ['../common/errors'],
  'lib/inbox/inbox.ts': ['../protocol/frame', '../streams/main-stream', '../context/call-context'],
  'lib/lifecycle/hooks.ts': ['../context/call-context'],
  'lib/extensions/listener-stats.ts': ['../lifecycle/hooks', '../transport/streamback.client', '@nestjs/common'],
  'lib/producer/producer.ts': ['../inbox/inbox', '../lifecycle/hooks', '../streams/main-stream', 'rxjs'],
  'lib/consumer/consumer.ts': ['../inbox/inbox', '../lifecycle/hooks', '../streams/main-stream', 'rxjs'],
  'lib/streams/main-stream.ts': ['../protocol/frame'],
  'lib/streams/stream-resolver.ts': ['./kafka/kafka.main-stream', './redis/redis.client', './memory/memory.main-stream'],
  'lib/streams/kafka/kafka.main-stream.ts': ['../main-stream', './kafka.options', 'kafkajs'],
  'lib/streams/kafka/kafka.options.ts': ['kafkajs'],
  'lib/streams/redis/redis.client.ts': ['../main-stream', 'ioredis'],
  'lib/streams/memory/memory.main-stream.ts': ['../main-stream'],
  'lib/transport/streamback.client.ts': ['../producer/producer', '../consumer/consumer', '@nestjs/microservices'],
  'lib/scheduler/schedule.explorer.ts': ['../producer/producer', '@nestjs/core'],
  'lib/workers/supervisor.ts': ['../common/logger'],
  'lib/health/streamback.health.ts': ['../consumer/consumer', '../streams/main-stream', '@nestjs/common'],
  'lib/health/terminus.ts': ['./streamback.health', '@nestjs/terminus'],
  'lib/testing/index.ts': ['./suite'],
  'lib/testing/suite.ts': ['../streams/main-stream'],
  'test/support/redis.ts': [],
};

/** The rules that a tree of files breaks, with `extra` imports added to the clean ones. */
async function brokenRules(extra: readonly (readonly [string, string])[]): Promise<string[]> {
  const cache = join(ROOT, '.cache');
  mkdirSync(cache, { recursive: true });
  // Within the repository, so that packages are found.
  const folder = temporaryFolder('rules', cache);
  onTestFinished(() => folder.remove());
  for (const file of new Set([...Object.keys(CLEAN), ...extra.map(([name]) => name)])) {
    const imports = [...(CLEAN[file] ?? []), ...extra.filter(([name]) => name === file).map(([, imported]) => imported)];
    mkdirSync(dirname(join(folder.path, file)), { recursive: true });
    // Type imports, which leave no trace in the output, are imports all the same.
    const lines = imports.map((imported, at) => `import type { T as T${at} } from '${imported}';\nexport type U${at} = T${at};\n`);
    writeFileSync(join(folder.path, file), `${lines.join('')}export type T = 1;\n`);
  }
  const { dependencies, peerDependencies, devDependencies } = createRequire(__filename)(join(ROOT, 'package.json')) as Record<
    string,
    object
  >;
  writeFileSync(join(folder.path, 'package.json'), JSON.stringify({ name: 'planted', dependencies, peerDependencies, devDependencies }));
  const { output } = await cruise(['lib'], { ...options, baseDir: folder.path, validate: true, ruleSet: { forbidden } });
  return (output as ICruiseResult).summary.violations.map(({ rule, from, to }) => `${rule.name}: ${from} -> ${to}`);
}

it('finds no fault in a clean tree', async () => {
  expect(await brokenRules([])).toEqual([]);
});

it('has a planted violation for each rule', () => {
  expect(Object.keys(VIOLATIONS).toSorted()).toEqual(forbidden.map((rule) => rule.name).toSorted());
});

for (const [rule, violations] of Object.entries(VIOLATIONS)) {
  for (const [file, imported] of violations) {
    it(`${rule} catches ${file} importing ${imported}`, async () => {
      const broken = await brokenRules([[file, imported]]);
      expect(broken.some((each) => each.startsWith(`${rule}: `))).toBe(true);
    });
  }
}
