import { parseArgs } from 'node:util';
import { PEERS, REFERENCE, SUBJECT, type PeerEntry } from './peers';
import { FULL_SECONDS, WORKLOADS, type Workload } from './workloads';

/** What a run of the bench does. */
export interface BenchOptions {
  readonly peers: readonly PeerEntry[];
  readonly workloads: readonly Workload[];
  readonly rounds: number;
  /** Of each measurement. */
  readonly seconds: number;
  /** How long each peer is watched while it has nothing to do; 0: not at all. */
  readonly idleSeconds: number;
  readonly pinned: boolean;
  /** Folder for CPU profiles, one a process and workload. */
  readonly profile?: string;
  /** The same for allocations. */
  readonly heapProfile?: string;
  /** File for what was measured, as it was measured. */
  readonly json?: string;
  /** Files that `--json` has written: they are told as one, and nothing is measured. */
  readonly from: readonly string[];
  /** Tables as GitHub shows them, not for a terminal. */
  readonly markdown: boolean;
}

const OPTIONS = {
  peers: { type: 'string' },
  workloads: { type: 'string' },
  rounds: { type: 'string' },
  seconds: { type: 'string' },
  idle: { type: 'string' },
  short: { type: 'boolean', default: false },
  'no-pin': { type: 'boolean', default: false },
  profile: { type: 'string' },
  'heap-profile': { type: 'string' },
  json: { type: 'string' },
  from: { type: 'string', default: '' },
  markdown: { type: 'boolean', default: false },
} as const;

/** What is run without a word. */
const FULL = { peers: '', workloads: '', rounds: '3', seconds: String(FULL_SECONDS), idle: '5' };
/** What shows that the bench itself works, with some hundred messages each. */
const SHORT: typeof FULL = {
  peers: `${REFERENCE},${SUBJECT}`,
  workloads: 'oneway,rpc10,stream100,rpc100-16k,slow-reader',
  rounds: '1',
  seconds: '0.1',
  idle: '0.1',
};

/** @throws Error that says what is right, where an argument is not */
export function parseArguments(args: readonly string[]): BenchOptions {
  const { values } = parseArgs({ args: [...args], options: OPTIONS });
  const { peers, workloads, rounds, seconds, idle } = values.short ? SHORT : FULL;
  return {
    peers: chosen('peers', PEERS, values.peers ?? peers),
    workloads: chosen('workloads', WORKLOADS, values.workloads ?? workloads),
    rounds: Math.ceil(numberOf('rounds', values.rounds ?? rounds, Number.MIN_VALUE)),
    seconds: numberOf('seconds', values.seconds ?? seconds, Number.MIN_VALUE),
    idleSeconds: numberOf('idle', values.idle ?? idle, 0),
    pinned: !values['no-pin'],
    profile: values.profile,
    heapProfile: values['heap-profile'],
    json: values.json,
    from: listOf(values.from),
    markdown: values.markdown,
  };
}

const listOf = (text: string): string[] => text.split(',').filter((part) => part !== '');

/** Those that are named, in their own order; all without a name. */
function chosen<Named extends { readonly name: string }>(option: string, all: readonly Named[], text: string): readonly Named[] {
  const names = listOf(text);
  const unknown = names.find((name) => all.every((each) => each.name !== name));
  if (unknown !== undefined) throw new Error(`--${option} knows no '${unknown}'; there are ${all.map(({ name }) => name).join(', ')}`);
  return names.length === 0 ? all : all.filter(({ name }) => names.includes(name));
}

function numberOf(option: string, text: string, least: number): number {
  const value = Number(text);
  if (text.trim() !== '' && Number.isFinite(value) && value >= least) return value;
  throw new Error(`--${option} must be a number ${least === 0 ? 'from 0 on' : 'above 0'}, not '${text}'`);
}
