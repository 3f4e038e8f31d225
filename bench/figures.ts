/** A median with the least and the most of what it is of. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** Undefined where there is nothing to take it of. */
export function spreadOf(values: readonly number[]): Spread | undefined {
  if (values.length === 0) return undefined;
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
  return { median, min: sorted[0]!, max: sorted.at(-1)! };
}

/** The value below which a share of the sorted values lies; 0 of none. */
export function quantile(sorted: ArrayLike<number>, share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

/** Something that was measured in a round. */
interface Rounded {
  readonly round: number;
}

/** What is compared of a row; undefined where it was not measured. */
type Pick<Row> = (row: Row) => number | undefined;

/** Ratios are taken within a round, where both had the same machine; a round that only one was measured in has none. */
export function pairedRatios<Row extends Rounded>(rows: readonly Row[], others: readonly Row[], pick: Pick<Row>): number[] {
  return paired(rows, others, pick, (own, other) => own / other);
}

/** As {@link pairedRatios}. */
export function pairedDifferences<Row extends Rounded>(rows: readonly Row[], others: readonly Row[], pick: Pick<Row>): number[] {
  return paired(rows, others, pick, (own, other) => own - other);
}

function paired<Row extends Rounded>(
  rows: readonly Row[],
  others: readonly Row[],
  pick: Pick<Row>,
  compare: (own: number, other: number) => number,
): number[] {
  return rows.flatMap((row) => {
    const other = others.find(({ round }) => round === row.round);
    const result = compare(pick(row) ?? NaN, other ? (pick(other) ?? NaN) : NaN);
    return Number.isFinite(result) ? [result] : [];
  });
}

const NONE = '-';

/** Three significant digits; thousands in full. */
export function figure(value: number | undefined): string {
  if (value === undefined || !Number.isFinite(value)) return NONE;
  if (value === 0) return '0';
  return Math.abs(value) >= 1_000 ? Math.round(value).toLocaleString('en') : value.toPrecision(3);
}

/** `median (min-max)`. */
export function spreadText(spread: Spread | undefined): string {
  return spread ? `${figure(spread.median)} (${figure(spread.min)}-${figure(spread.max)})` : NONE;
}
