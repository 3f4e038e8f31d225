import type { ListenerStatsFigures, WorkerStats } from '../lifecycle/worker-stats';

/** More patterns are told by their number. */
const MAX_NAMED = 3;
const BYTES_A_MB = 1_000_000;

/** Figures of one process as a line for people: those of its listeners together. */
export function statsLine({ worker, listeners, intervalMs, rssBytes, cpuRatio, eventLoopDelayMs }: WorkerStats): string {
  const sum = (of: (figures: ListenerStatsFigures) => number): number => listeners.reduce((total, figures) => total + of(figures), 0);
  const lag = listeners.some((figures) => figures.lag === null) ? 'unknown' : sum((figures) => figures.lag ?? 0);
  const [first, last] = [mean(listeners, 'firstAnswerMs'), mean(listeners, 'lastAnswerMs')];
  const parts = [
    `${sum(({ handled }) => handled)} handled in ${(intervalMs / 1_000).toFixed(1)} s`,
    `${sum(({ failed }) => failed)} failed`,
    `${sum(({ inFlight }) => inFlight)} in flight`,
    `lag ${lag}`,
    ...(first === undefined || last === undefined ? [] : [`answers after ${first.toFixed(1)} to ${last.toFixed(1)} ms`]),
    `${(rssBytes / BYTES_A_MB).toFixed(0)} MB`,
    `CPU ${(cpuRatio * 100).toFixed(0)} %`,
    `event loop late by ${eventLoopDelayMs.toFixed(0)} ms at most`,
  ];
  return `${worker ? `Worker ${worker.id}, ` : ''}${named(listeners)}: ${parts.join(', ')}`;
}

function named(listeners: readonly ListenerStatsFigures[]): string {
  const patterns = listeners.map(({ connection, pattern }) => (connection === 'default' ? pattern : `${connection}:${pattern}`));
  const rest = patterns.length - MAX_NAMED;
  return rest > 0 ? `${patterns.slice(0, MAX_NAMED).join(', ')} and ${rest} more` : patterns.join(', ');
}

/** By the messages of each. */
function mean(listeners: readonly ListenerStatsFigures[], name: 'firstAnswerMs' | 'lastAnswerMs'): number | undefined {
  const told = listeners.filter((figures) => figures[name] !== null);
  const messages = told.reduce((total, { handled }) => total + handled, 0);
  return messages === 0 ? undefined : told.reduce((total, figures) => total + figures[name]! * figures.handled, 0) / messages;
}
