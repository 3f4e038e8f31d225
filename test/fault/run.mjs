// Runs the fault rows at full size, one after another, and prints what they counted.
// Usage: node test/fault/run.mjs [--small] [r02 r15 …]; without rows: all that have not passed yet as the files are now.
import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const HERE = dirname(fileURLToPath(import.meta.url));
const ROOT = resolve(HERE, '../..');
const STATE = join(ROOT, '.cache/fault-rows.json');
const REPORTS = join(ROOT, '.cache/fault-reports.jsonl');
const RESULTS = join(ROOT, '.cache/fault-results.json');
const COLUMNS = ['row', 'test', 'size', 'counts', 'seconds', 'passed'];

const small = process.argv.includes('--small');
const asked = process.argv.slice(2).filter((arg) => arg !== '--small');

const rows = new Map();
for (const file of readdirSync(HERE).toSorted()) {
  const row = /^(r\d\d)-.*\.test\.ts$/.exec(file)?.[1];
  if (row) rows.set(row, [...(rows.get(row) ?? []), `test/fault/${file}`]);
}
const unknown = asked.filter((row) => !rows.has(row));
if (unknown.length > 0) {
  console.error(`No such row: ${unknown.join(', ')}. There are ${[...rows.keys()].join(', ')}.`);
  process.exit(2);
}

const git = (...args) => execFileSync('git', args, { cwd: ROOT, encoding: 'utf8', maxBuffer: 64_000_000 });

/** The commit, and what differs from it: with other files a row has to be run again. */
function version() {
  const changes = git('status', '--porcelain') && `${git('diff', 'HEAD')}${git('status', '--porcelain')}`;
  const commit = git('rev-parse', '--short', 'HEAD').trim();
  return `${commit}${changes && `+${createHash('sha1').update(changes).digest('hex').slice(0, 7)}`}${small ? ' small' : ''}`;
}

function loadState() {
  const state = existsSync(STATE) ? JSON.parse(readFileSync(STATE, 'utf8')) : {};
  return state.version === version() ? state : { version: version(), rows: {} };
}

const readReports = () => (existsSync(REPORTS) ? readFileSync(REPORTS, 'utf8').trim().split('\n').filter(Boolean).map(JSON.parse) : []);

/** Resolves with the lines of the table, one a test. */
async function run(row) {
  for (const file of [REPORTS, RESULTS]) rmSync(file, { force: true });
  const { STREAMBACK_FULL: _, ...env } = process.env;
  const child = spawn(
    join(ROOT, 'node_modules/.bin/vitest'),
    ['run', '--project', 'broker', '--reporter=verbose', '--reporter=json', `--outputFile.json=${RESULTS}`, ...rows.get(row)],
    {
      cwd: ROOT,
      stdio: 'inherit',
      env: { ...env, ...(!small && { STREAMBACK_FULL: '1' }), STREAMBACK_REQUIRE_BROKERS: '1', STREAMBACK_REPORT: REPORTS },
    },
  );
  const code = await new Promise((settle) => child.once('exit', settle));
  const reports = readReports();
  const tests = existsSync(RESULTS)
    ? JSON.parse(readFileSync(RESULTS, 'utf8')).testResults.flatMap(({ assertionResults }) => assertionResults)
    : [];
  const lines = tests.map(({ ancestorTitles, title, status, duration }) => {
    const own = reports.filter(({ test }) => test === [...ancestorTitles, title].join(' > '));
    return {
      row: own[0]?.row ?? row.toUpperCase(),
      test: title,
      size: [...new Set(own.map(({ size }) => size))].join(),
      counts: own.map(({ text }) => text).join('; '),
      seconds: ((duration ?? 0) / 1_000).toFixed(1),
      passed: status === 'passed' ? 'yes' : status,
    };
  });
  // A file that could not be loaded, an error outside of tests, a shown password: the run fails, though no test may have.
  if (code !== 0 && lines.every(({ passed }) => passed === 'yes')) {
    lines.push({
      row,
      test: rows
        .get(row)
        .map((file) => basename(file))
        .join(),
      size: '',
      counts: '',
      seconds: '',
      passed: 'no',
    });
  }
  return { passed: code === 0 && lines.length > 0, lines };
}

const cell = (text) => String(text).replaceAll('|', '\\|').replaceAll('\n', ' ');
const line = (cells) => `| ${cells.map(cell).join(' | ')} |`;

function table(state) {
  const lines = Object.keys(state.rows)
    .toSorted()
    .flatMap((row) => state.rows[row].lines);
  return [line(COLUMNS), line(COLUMNS.map(() => '---')), ...lines.map((each) => line(COLUMNS.map((column) => each[column])))].join('\n');
}

mkdirSync(dirname(STATE), { recursive: true });
const state = loadState();
const due = asked.length > 0 ? asked : [...rows.keys()].filter((row) => !state.rows[row]?.passed);
// The row that runs is ended by the same signal, with its servers; what has passed before stays known.
let stopped = false;
process.on('SIGINT', () => (stopped = true));
for (const row of due) {
  console.log(`\n== ${row}: ${rows.get(row).join(' ')}`);
  const result = await run(row);
  if (stopped) break;
  state.rows[row] = result;
  writeFileSync(STATE, JSON.stringify(state, null, 2));
}
console.log(`\n${state.version}\n\n${table(state)}`);
const failed = Object.keys(state.rows).filter((row) => !state.rows[row].passed);
if (failed.length > 0) console.log(`\nnot passed: ${failed.join(', ')}`);
process.exitCode = stopped || failed.length > 0 ? 1 : 0;
