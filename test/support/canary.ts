import { inspect } from 'node:util';

/** What no log line, output or error may hold. */
const CANARY = 'streamback-canary-61d0';

/** The password of the run's own Redis, with characters that a URL has to encode. */
export const CANARY_PASSWORD = `${CANARY}/@:`;

const leaks: string[] = [];

/** Notes a leak where `text` holds the canary; `where` says what the text is. */
export function watchText(where: string, text: string): void {
  const at = text.indexOf(CANARY);
  if (at >= 0) leaks.push(`${where}: ${text.slice(Math.max(0, at - 200), at)}<the password>${text.slice(at + CANARY.length, at + 200)}`);
}

/** Looks at all that an error carries: its causes and what is not enumerable. */
export function watchError(where: string, error: Error): void {
  watchText(where, inspect(error, { depth: 10, showHidden: true }));
}

/** A watcher of output that comes in pieces, which may cut the password in two. */
export function outputWatcher(where: string): (chunk: string | Uint8Array) => void {
  let tail = '';
  return (chunk) => {
    const text = tail + (typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString());
    watchText(where, text);
    // Shorter than the password, so that none is seen twice.
    tail = text.slice(1 - CANARY.length);
  };
}

/** What has leaked since the last call. */
export function takeLeaks(): string[] {
  return leaks.splice(0);
}
