/** What is done over and over. */
export interface Workload {
  readonly name: string;
  /** `reads` are streams that are pulled item by item, slowly. */
  readonly kind: 'events' | 'calls' | 'streams' | 'reads';
  readonly inFlight: number;
  /** Length of the text in a message, and so in what answers it. */
  readonly textLength: number;
  /** Items of an answer, where it is streamed. */
  readonly items?: number;
  /** Time that a reader takes for an item, in ms. */
  readonly itemDelayMs?: number;
  /** So many messages at least, however long they take. */
  readonly least?: number;
  /** So many at most, however short they take. */
  readonly most?: number;
  /** Messages that warm up what is measured. */
  readonly warmUp: number;
}

/** The bounds of one measurement: it ends with the time, but not before `least` nor after `most` messages. */
export interface Extent {
  readonly durationMs: number;
  readonly least: number;
  readonly most?: number;
}

/** With the rest of a message about 100 bytes of JSON. */
const SHORT = 70;
/** What a message has beside its text, in bytes. */
const AROUND = 30;
const kilobytes = (size: number): number => size * 1_024 - AROUND;

const calls = (inFlight: number): Workload => ({
  name: `rpc${inFlight}`,
  kind: 'calls',
  inFlight,
  textLength: SHORT,
  ...(inFlight === 1 ? { most: 1_000 } : {}),
  warmUp: inFlight === 1 ? 50 : Math.max(500, inFlight),
});
const largeCalls = (size: number): Workload => ({
  name: `rpc100-${size}k`,
  kind: 'calls',
  inFlight: 100,
  textLength: kilobytes(size),
  warmUp: 500,
});

/** All there are; their counts are meant for {@link FULL_SECONDS}. */
export const WORKLOADS: readonly Workload[] = [
  { name: 'oneway', kind: 'events', inFlight: 1_000, textLength: SHORT, least: 20_000, most: 20_000, warmUp: 2_000 },
  calls(1),
  calls(10),
  calls(100),
  calls(1_000),
  calls(10_000),
  { name: 'stream100', kind: 'streams', inFlight: 10, textLength: SHORT, items: 100, least: 200, warmUp: 20 },
  { name: 'stream10k', kind: 'streams', inFlight: 1, textLength: SHORT, items: 10_000, least: 5, warmUp: 1 },
  largeCalls(1),
  largeCalls(16),
  largeCalls(64),
  { name: 'slow-reader', kind: 'reads', inFlight: 1, textLength: SHORT, items: 2_000, itemDelayMs: 1, least: 1, most: 1, warmUp: 0 },
];

/** What a pair of processes does first, whatever it is measured with. */
export const FIRST_WARM_UP: Workload = { ...calls(100), warmUp: 2_000 };

/** The time that the workloads' counts are meant for; a shorter measurement has fewer. */
export const FULL_SECONDS = 2;
const WARM_UP_MAX_MS = 4_000;

/** Of the measurement itself. */
export function extentOf({ least, most }: Workload, seconds: number): Extent {
  const scaled = (count: number): number => atLeastOne((count * seconds) / FULL_SECONDS);
  return { durationMs: seconds * 1_000, least: least === undefined ? 0 : scaled(least), most: most && scaled(most) };
}

/** Of the warm-up before it: a count, that a slow peer need not reach. */
export function warmUpExtent({ warmUp }: Workload, seconds: number): Extent {
  return { durationMs: WARM_UP_MAX_MS, least: 0, most: Math.ceil(warmUp * Math.min(1, seconds / FULL_SECONDS)) };
}

/** A short measurement of a slow reader reads less. */
export function shortened(workload: Workload, seconds: number): Workload {
  if (workload.kind !== 'reads') return workload;
  return { ...workload, items: atLeastOne(workload.items! * Math.min(1, seconds / FULL_SECONDS)) };
}

const atLeastOne = (count: number): number => Math.max(1, Math.ceil(count));
