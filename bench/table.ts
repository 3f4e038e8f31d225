import type { Result } from './round';

/** The results of all rounds as Markdown: a table of figures, and one of ratios between peers. */
export function report(results: readonly Result[], subject: string): string {
  const workloads = [...new Set(results.map(({ workload }) => workload))];
  const peers = [...new Set(results.map(({ peer }) => peer))];
  const of = (workload: string, peer: string) => results.filter((result) => result.workload === workload && result.peer === peer);
  const figures = workloads.flatMap((workload) => peers.map((peer) => figuresRow(workload, peer, of(workload, peer))));
  const others = peers.includes(subject) ? peers.filter((peer) => peer !== subject) : [];
  const ratios = workloads.flatMap((workload) =>
    others.map((other) => ratioRow(`${workload} | ${subject} : ${other}`, of(workload, subject), of(workload, other))),
  );
  return [
    '| workload | peer | rate /s, median (min-max) | p50 ms | p99 ms | CPU us a message, client + server | lost | twice | out of order |',
    '|---|---|--:|--:|--:|--:|--:|--:|--:|',
    ...figures,
    ...(ratios.length > 0
      ? ['', '| workload | ratio, median (min-max) | rate | p50 time | CPU a message |', '|---|---|--:|--:|--:|', ...ratios]
      : []),
  ].join('\n');
}

function figuresRow(workload: string, peer: string, results: readonly Result[]): string {
  const middle = (pick: (result: Result) => number): string => figure(median(results.map(pick)));
  const sum = (pick: (result: Result) => number): number => results.reduce((total, result) => total + pick(result), 0);
  const client = median(results.map(({ clientMicros }) => clientMicros));
  const server = median(results.map(({ serverMicros }) => serverMicros));
  const cells = [
    workload,
    peer,
    spread(results.map(({ ratePerSecond }) => ratePerSecond)),
    middle(({ p50Ms }) => p50Ms),
    middle(({ p99Ms }) => p99Ms),
    `${figure(client + server)} (${figure(client)} + ${figure(server)})`,
    sum(({ lost }) => lost),
    sum(({ duplicates }) => duplicates),
    sum(({ disordered }) => disordered),
  ];
  return `| ${cells.join(' | ')} |`;
}

/** Ratios are taken within a round, where both peers had the same machine. */
function ratioRow(title: string, ours: readonly Result[], theirs: readonly Result[]): string {
  const ratio = (pick: (result: Result) => number): string => {
    const ratios = ours.map((result, round) => pick(result) / pick(theirs[round]!)).filter(Number.isFinite);
    return spread(ratios);
  };
  const cells = [
    ratio(({ ratePerSecond }) => ratePerSecond),
    ratio(({ p50Ms }) => p50Ms),
    ratio(({ clientMicros, serverMicros }) => clientMicros + serverMicros),
  ];
  return `| ${title} | ${cells.join(' | ')} |`;
}

function spread(values: readonly number[]): string {
  if (values.length === 0) return '-';
  return `${figure(median(values))} (${figure(Math.min(...values))}-${figure(Math.max(...values))})`;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Three significant digits; thousands in full. */
function figure(value: number): string {
  if (value === 0) return '-';
  return value >= 1_000 ? Math.round(value).toLocaleString('en') : value.toPrecision(3);
}
