// The layout's rules: who may import whom. test/meta/import-rules.test.ts plants a violation of each.

/** Everything of lib that is not in the given folders or files. */
const allBut = (...allowed) => ({ path: '^lib/', pathNot: allowed.map((each) => `^lib/${each}`) });
const packages = (...names) => `(^|/)(node_modules/)?(${names.join('|')})(/|$)`;

const CONTRACTS = 'streams/(?!stream-resolver)[^/]+\\.ts$';
const RESOLVER = 'streams/stream-resolver\\.ts$';
const ROOT_FILES = '[^/]+\\.ts$';

/** A folder and the only things of lib that it may import. */
const only = (folder, allowed, comment) => ({
  name: `${folder}-imports`,
  comment,
  severity: 'error',
  from: { path: `^lib/${folder}/` },
  to: allBut(`${folder}/`, ...allowed),
});

const FLOW = ['common/', 'protocol/', 'context/', 'inbox/', 'lifecycle/', CONTRACTS];

module.exports = {
  forbidden: [
    only('common', [], 'Everything may import common; common imports nothing of lib.'),
    only('protocol', ['common/'], 'protocol imports only common.'),
    only('context', ['common/', 'protocol/'], 'context is beneath producer and consumer.'),
    only('inbox', ['common/', 'protocol/', 'context/', CONTRACTS], 'inbox is beneath producer and consumer.'),
    only('lifecycle', ['common/', 'protocol/', 'context/', CONTRACTS], 'lifecycle is beneath producer and consumer.'),
    only('extensions', ['common/', 'lifecycle/', 'transport/'], 'extensions are written as users write theirs: by the hooks and Nest.'),
    only('workers', ['common/'], 'workers knows servers by what a supervisor needs of them (common/process-role.ts).'),
    only('producer', FLOW, 'producer knows contracts, not adapters, and not the consumer.'),
    only('consumer', FLOW, 'consumer knows contracts, not adapters, and not the producer.'),
    only('health', ['common/', 'protocol/', 'consumer/', CONTRACTS], 'health judges facts: root gives it the connections.'),
    {
      name: 'contract-imports',
      comment: 'The stream contracts import protocol and common; the resolver alone knows the adapters.',
      severity: 'error',
      from: { path: `^lib/${CONTRACTS}` },
      to: allBut('common/', 'protocol/', CONTRACTS),
    },
    {
      name: 'adapter-imports',
      comment: 'An adapter imports the contracts, protocol and common, never a sibling adapter.',
      severity: 'error',
      from: { path: '^lib/streams/([^/]+)/' },
      to: allBut('streams/$1/', 'common/', 'protocol/', CONTRACTS),
    },
    {
      name: 'resolver-imports',
      comment: 'The resolver imports contracts, adapters, protocol and common.',
      severity: 'error',
      from: { path: `^lib/${RESOLVER}` },
      to: allBut('streams/', 'common/', 'protocol/'),
    },
    {
      name: 'transport-is-outermost',
      comment: 'Nothing imports transport but the root files, testing, and extensions, which use its decorators as apps do.',
      severity: 'error',
      from: { path: '^lib/', pathNot: ['^lib/(transport|testing|extensions)/', `^lib/${ROOT_FILES}`] },
      to: { path: '^lib/transport/' },
    },
    {
      name: 'root-is-not-imported',
      comment: 'The root files compose everything: what they compose does not import them.',
      severity: 'error',
      from: { path: '^lib/[^/]+/', pathNot: ['^lib/transport/', '^lib/testing/'] },
      to: { path: `^lib/${ROOT_FILES}` },
    },
    {
      name: 'index-is-not-imported',
      comment: 'index.ts is for users; inside, import the file that holds it.',
      severity: 'error',
      from: { path: '^lib/' },
      to: { path: '/index\\.ts$', pathNot: 'node_modules' },
    },
    {
      name: 'root-imports',
      comment: 'Root composes everything but cli and testing.',
      severity: 'error',
      from: { path: `^lib/${ROOT_FILES}` },
      to: { path: '^lib/(cli|testing)/' },
    },
    {
      name: 'testing-is-apart',
      comment: 'The published contract suites are for tests.',
      severity: 'error',
      from: { path: '^lib/', pathNot: '^lib/testing/' },
      to: { path: '^lib/testing/' },
    },
    {
      name: 'nest-only-at-the-face',
      comment: "@nestjs/* only where Nest's face is: transport, the features' Nest-facing folders, the root files.",
      severity: 'error',
      from: {
        path: '^lib/',
        pathNot: [
          '^lib/(transport|scheduler|extensions|gateway|health|cli)/',
          '^lib/workers/[^/]*bootstrap[^/]*\\.ts$',
          `^lib/${ROOT_FILES}`,
        ],
      },
      to: { path: packages('@nestjs') },
    },
    {
      name: 'nest-package-roots',
      comment: 'Nest 12 exports package roots only: a deep import breaks there.',
      severity: 'error',
      from: { path: '^lib/' },
      to: { path: '(^|node_modules/)@nestjs/[^/]+/.', pathNot: 'node_modules/@nestjs/[^/]+/(dist/)?index\\.(d\\.ts|js)$' },
    },
    {
      name: 'terminus-is-optional',
      comment: 'Only the entry point for terminus knows its package, and nothing of the main entry point knows that one.',
      severity: 'error',
      from: { path: '^lib/', pathNot: '^lib/health/terminus\\.ts$' },
      to: { path: [packages('@nestjs/terminus'), '^lib/health/terminus\\.ts$'] },
    },
    {
      name: 'kafkajs-only-in-its-adapter',
      severity: 'error',
      comment: "A broker's package is known to its adapter alone.",
      from: { path: '^lib/', pathNot: '^lib/streams/kafka/' },
      to: { path: packages('kafkajs') },
    },
    {
      name: 'ioredis-only-in-its-adapter',
      severity: 'error',
      comment: "A broker's package is known to its adapter alone.",
      from: { path: '^lib/', pathNot: '^lib/streams/redis/' },
      to: { path: packages('ioredis') },
    },
    {
      name: 'protocol-does-no-io',
      comment: 'protocol is pure.',
      severity: 'error',
      from: { path: '^lib/protocol/' },
      to: { dependencyTypes: ['core'], pathNot: '^(node:)?(buffer|crypto|util|string_decoder)$' },
    },
    {
      name: 'no-index',
      comment: "No index.ts but where package.json's exports point.",
      severity: 'error',
      from: { path: '/index\\.ts$', pathNot: ['^lib/index\\.ts$', '^lib/testing/index\\.ts$'] },
      to: {},
    },
    {
      name: 'no-cycle',
      comment: 'Of two files that import each other neither can be understood alone.',
      severity: 'error',
      from: { path: '^lib/' },
      to: { circular: true },
    },
    {
      name: 'declared-packages',
      comment: 'What lib imports is a dependency or a peer, or users do not have it.',
      severity: 'error',
      from: { path: '^lib/' },
      to: {
        dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown', 'unknown', 'undetermined'],
        dependencyTypesNot: ['npm', 'npm-peer', 'npm-optional', 'core', 'local'],
      },
    },
    {
      name: 'lib-stands-alone',
      comment: 'lib imports nothing of the rest of the repository.',
      severity: 'error',
      from: { path: '^lib/' },
      to: { path: '^(test|sample|bench|dist)/' },
    },
  ],
  options: {
    // TypeScript 7 has no parser to call; swc's sees type imports as well.
    parser: 'swc',
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: {
      extensions: ['.ts', '.js', '.json', '.d.ts'],
      exportsFields: ['exports'],
      conditionNames: ['require', 'node', 'default', 'types'],
    },
  },
};
