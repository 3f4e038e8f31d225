import { describe, expect, it } from 'vitest';
import { markdownOf, plainOf, type Table } from '../../../bench/layout';
import { peerTable, targetTable, workloadTable } from '../../../bench/table';
import { judge } from '../../../bench/verdicts';
import { peerRow, workloadRow } from './rows';

/** Each line by its headings. */
const cellsOf = ({ headings, lines }: Table): Record<string, string>[] =>
  lines.map((line) => Object.fromEntries(headings.map(({ text }, column) => [text, line[column]!])));

describe('the table of workloads', () => {
  it('has a line for each workload and peer: rates with their spread, ratios by round, sums of what must not be', () => {
    const rows = [
      workloadRow({ peer: 'handwritten', ratePerSecond: 2_000, clientMicros: 6, serverMicros: 3 }),
      workloadRow({ peer: 'streamback', ratePerSecond: 1_000, lost: 1, twice: 2 }),
      workloadRow({ peer: 'streamback', ratePerSecond: 3_000, lost: 2, disordered: 4, round: 2 }),
      workloadRow({ peer: 'handwritten', ratePerSecond: 3_000, clientMicros: 8, serverMicros: 3, round: 2 }),
    ];
    const cells = cellsOf(workloadTable(rows, ['handwritten', 'streamback']));
    expect(cells.map(({ workload, peer }) => [workload, peer])).toEqual([
      ['rpc100', 'handwritten'],
      ['rpc100', 'streamback'],
    ]);
    expect(cells[0]).toMatchObject({ 'CPU us a message, client + server': '10.0 (7.00 + 3.00)', 'x handwritten': '1.00 (1.00-1.00)' });
    expect(cells[1]).toMatchObject({
      'rate /s, median (min-max)': '2,000 (1,000-3,000)',
      'x handwritten': '0.750 (0.500-1.00)',
      lost: '3',
      twice: '2',
      'out of order': '4',
      'RSS MB, client + server': '150 (100 + 50.0)',
    });
  });

  it('leaves empty what a workload does not have, and notes what only some have', () => {
    const rows = [
      workloadRow({ workload: 'oneway', p50Ms: undefined, p99Ms: undefined, brokersMicros: NaN }),
      workloadRow({ workload: 'stream10k', firstItemMs: 6.57 }),
      workloadRow({ workload: 'slow-reader', waiting: 250 }),
      workloadRow({ workload: 'slow-reader', waiting: 1_256, round: 2 }),
    ];
    const cells = cellsOf(workloadTable(rows, ['streamback']));
    expect(cells[0]).toMatchObject({ 'x handwritten': '-', 'p50 ms': '-', 'p99 ms': '-', 'brokers us': '-', notes: '' });
    expect(cells.map(({ notes }) => notes)).toEqual(['', 'first item p50 6.57 ms', 'at most 1,256 waiting']);
  });
});

describe('the table of peers', () => {
  it('says what holds whatever is measured', () => {
    const rows = [peerRow({}), peerRow({ round: 2, firstAnswerMs: 500 }), peerRow({ peer: 'nest-tcp', idleClientShare: undefined })];
    const cells = cellsOf(peerTable(rows, ['nest-tcp', 'memory', 'streamback']));
    expect(cells.map(({ peer }) => peer)).toEqual(['nest-tcp', 'streamback']);
    expect(cells[0]).toMatchObject({ 'idle, % of a core, client + server': '-' });
    expect(cells[1]).toMatchObject({
      'client: start to first answer, ms': '400 (300-500)',
      'idle, % of a core, client + server': '5.00 (2.00 + 3.00)',
      'RSS MB after load': '200 (100 + 100)',
    });
  });
});

describe('the table of targets', () => {
  it('names the target, what was measured, and the verdict', () => {
    const rows = [workloadRow({ ratePerSecond: 800 }), workloadRow({ peer: 'handwritten', clientMicros: 25 })];
    const target = { workload: 'rpc100', measure: 'rate', against: 'handwritten', atLeast: 0.7 } as const;
    const [cells] = cellsOf(targetTable([judge(target, { workloads: rows, peers: [], pinned: true })!]));
    expect(cells).toEqual({
      workload: 'rpc100',
      measure: 'rate',
      against: 'handwritten',
      target: '>= 0.7',
      'measured, median (min-max)': '0.800 (0.800-0.800)',
      'CPU a message': '0.500 (0.500-0.500)',
      verdict: 'met',
    });
  });
});

describe('a layout', () => {
  const table: Table = { headings: [{ text: 'peer' }, { text: 'lost', isNumber: true }], lines: [['streamback', '0']] };

  it('is Markdown for a page', () => {
    expect(markdownOf(table)).toBe('| peer | lost |\n| --- | --: |\n| streamback | 0 |');
  });

  it('has even columns for a terminal', () => {
    expect(plainOf(table)).toBe('peer        lost\nstreamback     0');
  });
});
