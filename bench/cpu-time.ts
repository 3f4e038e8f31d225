import { readFileSync } from 'node:fs';

/** Of a clock tick in /proc, which is 10 ms on every Linux of today. */
const TICK_MICROS = 10_000;
/** Places of utime and stime among the fields behind the command's closing bracket. */
const USER = 11;
const SYSTEM = 12;

/** CPU of processes since their start, user and system, in us; NaN where the system has no /proc, or none of them is known. */
export function cpuMicrosOf(pids: readonly number[]): number {
  if (pids.length === 0) return NaN;
  return pids.reduce((total, pid) => total + cpuMicros(pid), 0);
}

function cpuMicros(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[USER]) + Number(fields[SYSTEM])) * TICK_MICROS;
  } catch {
    return NaN;
  }
}
