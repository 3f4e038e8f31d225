// Checks the packed package from outside: its files, and an app of each supported Nest that installs it and sends a request.
// Usage: node test/package/run.mjs [report.json]; the report is { passed, failed }.
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const HERE = dirname(fileURLToPath(import.meta.url));
const ROOT = resolve(HERE, '../..');
const APPS = ['nest12-esm', 'nest11-cjs'];
const NPM_FLAGS = ['--no-fund', '--no-audit', '--loglevel=error'];

const folder = mkdtempSync(join(tmpdir(), 'streamback-package-'));
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));

const counts = { passed: 0, failed: 0 };

/** One check, that passes where `problems` is empty. */
function check(title, problems) {
  counts[problems.length === 0 ? 'passed' : 'failed'] += 1;
  console.log(`${problems.length === 0 ? 'ok    ' : 'FAILED'} ${title}${problems.map((each) => `\n         ${each}`).join('')}`);
}

function run(command, args, cwd) {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd, encoding: 'utf8', maxBuffer: 64_000_000 });
  return { ok: status === 0, output: `${stdout ?? ''}${stderr ?? ''}${error ?? ''}` };
}

const lastLines = (text) => text.trimEnd().split('\n').slice(-40);

function pack() {
  const { ok, output } = run('npm', ['pack', '--pack-destination', folder, ...NPM_FLAGS], ROOT);
  const name = readdirSync(folder).find((each) => each.endsWith('.tgz'));
  check('the package is packed', ok && name ? [] : lastLines(output));
  return name && join(folder, name);
}

function checkFiles(tarball) {
  const unpacked = join(folder, 'unpacked');
  mkdirSync(unpacked);
  execFileSync('tar', ['-xzf', tarball, '-C', unpacked, '--strip-components=1']);
  const files = readdirSync(unpacked, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name).slice(unpacked.length + 1));
  const has = new Set(files);

  const allowed = /^(package\.json|README\.md|LICENSE|CHANGELOG\.md|docs\/[a-z-]+\.md|dist\/.+\.(js|js\.map|d\.ts))$/;
  check(
    'it holds the built library and its documents, and nothing else',
    files.filter((file) => !allowed.test(file) || /(^|[/.])(test|spec|sample|bench)[/.]/.test(file)),
  );
  check(
    'it holds its documents',
    [
      'package.json',
      'README.md',
      'LICENSE',
      'CHANGELOG.md',
      'docs/errors.md',
      'docs/options.md',
      'docs/operations.md',
      'docs/health.md',
      'docs/batches.md',
      'docs/dead-letters.md',
      'docs/remote.md',
      'docs/schedules.md',
      'docs/workers.md',
      'docs/lifecycle.md',
      'docs/from-python-streamback.md',
    ].filter((file) => !has.has(file)),
  );

  const built = files.filter((file) => file.endsWith('.js'));
  check(
    'each file has types and a source map with its source',
    built.flatMap((file) => {
      const problems = [file.replace(/\.js$/, '.d.ts'), `${file}.map`].filter((each) => !has.has(each)).map((each) => `${each} is missing`);
      if (problems.length > 0) return problems;
      const { sourcesContent } = JSON.parse(readFileSync(join(unpacked, `${file}.map`), 'utf8'));
      return sourcesContent?.every((text) => typeof text === 'string') ? [] : [`${file}.map holds no source`];
    }),
  );

  const { main, types, exports } = JSON.parse(readFileSync(join(unpacked, 'package.json'), 'utf8'));
  const targets = [main, types, ...Object.values(exports).flatMap((each) => (typeof each === 'string' ? [each] : Object.values(each)))];
  check(
    'what package.json points to is there',
    targets.filter((target) => !existsSync(join(unpacked, target))),
  );
}

/** An app's own runner writes report.json in the form that Jest and vitest share. */
function checkApp(name, tarball) {
  const app = join(folder, name);
  cpSync(join(HERE, name), app, { recursive: true, filter: (path) => !/[/\\](node_modules|report\.json)$/.test(path) });
  const installed = run('npm', ['install', '--no-package-lock', ...NPM_FLAGS, tarball], app);
  check(`${name}: it is installed`, installed.ok ? [] : lastLines(installed.output));
  if (!installed.ok) return;

  const nest = JSON.parse(readFileSync(join(app, 'node_modules/@nestjs/core/package.json'), 'utf8')).version;
  const compiled = run('npm', ['run', '--silent', 'types'], app);
  check(`${name}: it type-checks with Nest ${nest}`, compiled.ok ? [] : lastLines(compiled.output));
  // Without skipLibCheck other packages' types may have faults of their own; ours may not.
  const strict = run('npm', ['run', '--silent', 'types', '--', '--skipLibCheck', 'false'], app);
  check(
    `${name}: the package's own types are sound`,
    strict.output.split('\n').filter((line) => /^(\.\/)?node_modules\/nestjs-streamback\//.test(line)),
  );

  const tested = run('npm', ['test', '--silent'], app);
  const report = join(app, 'report.json');
  if (!existsSync(report)) {
    check(`${name}: its tests run`, lastLines(tested.output));
    return;
  }
  const { testResults, numPassedTests, numFailedTests } = JSON.parse(readFileSync(report, 'utf8'));
  for (const file of testResults) {
    if (file.status !== 'passed' && file.assertionResults.length === 0) check(`${name}: ${file.name}`, [file.message]);
    for (const { fullName, status, failureMessages } of file.assertionResults) {
      if (status === 'passed' || status === 'failed') check(`${name}: ${fullName.trim()}`, status === 'passed' ? [] : failureMessages);
    }
  }
  if (numFailedTests === 0 && (numPassedTests === 0 || !tested.ok)) check(`${name}: its tests pass`, lastLines(tested.output));
  checkWithoutTerminus(name, app);
}

/** An optional peer: whoever does not use it need not have it. */
function checkWithoutTerminus(name, app) {
  rmSync(join(app, 'node_modules/@nestjs/terminus'), { recursive: true });
  rmSync(join(app, 'health.test.ts'));
  const types = run('npm', ['run', '--silent', 'types'], app);
  check(`${name}: it type-checks without terminus`, types.ok ? [] : lastLines(types.output));
  const script =
    "require('nestjs-streamback').StreambackModule.forRoot({ group: 'x' }); console.log('it works'); require('nestjs-streamback/terminus');";
  const { output } = run('node', ['-e', script], app);
  const wanted = output.startsWith('it works') && /Cannot find (module|package) '@nestjs\/terminus'/.test(output);
  check(`${name}: only its entry for terminus needs terminus`, wanted ? [] : lastLines(output));
}

const tarball = pack();
if (tarball) {
  checkFiles(tarball);
  for (const app of APPS) checkApp(app, tarball);
}
console.log(`the package: ${counts.passed} checks hold, ${counts.failed} do not`);
if (process.argv[2]) writeFileSync(process.argv[2], JSON.stringify(counts));
process.exitCode = counts.failed > 0 ? 1 : 0;
