import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Socket } from 'node:net';

/*
 * Servers and apps of a test run must not outlive it, not even where the runner is killed with SIGKILL and can clean up nothing.
 * So each process that starts any has one guard: a shell that is told of every child and folder through a pipe. The kernel
 * closes the pipe when its writer dies, however it dies; the guard then kills and removes what it still knows of.
 * It has a session of its own, so that Ctrl-C reaches the runner and not the guard.
 */
const GUARD = `
trap '' INT TERM HUP
set -f
IFS='
'
entries='
'
while read -r entry; do
  case "$entry" in
    +*) entries="$entries\${entry#+}$IFS" ;;
    -*) entry="$IFS\${entry#-}$IFS"; before=\${entries%%"$entry"*}; [ "$before" = "$entries" ] || entries="$before$IFS\${entries#*"$entry"}" ;;
  esac
done
for entry in $entries; do
  case "$entry" in pid:*) kill -9 "\${entry#pid:}" 2>/dev/null ;; compose:*) docker compose -p "\${entry#compose:}" down -v >/dev/null 2>&1 ;; esac
done
for entry in $entries; do
  case "$entry" in dir:*) rm -rf "\${entry#dir:}" || { sleep 1; rm -rf "\${entry#dir:}"; } ;; esac
done
`;

let guard: ChildProcess | undefined;

// A worker of a killed runner lives on with its test, and so would the guard and what it guards: the lost channel ends it.
if (process.connected) process.once('disconnect', () => process.exit());

function tellGuard(line: string): void {
  if (!guard) {
    guard = spawn('sh', ['-c', GUARD], { cwd: '/', detached: true, stdio: ['pipe', 'ignore', 'ignore'] });
    guard.unref();
    // The guard must not keep the runner alive: its end is what the guard waits for.
    (guard.stdin as Socket).unref();
    guard.stdin?.on('error', () => undefined);
  }
  guard.stdin?.write(`${line}\n`);
}

/** Has `child` killed, with SIGKILL, when this process is gone. */
export function guardProcess(child: ChildProcess): void {
  const { pid } = child;
  if (pid === undefined) return;
  tellGuard(`+pid:${pid}`);
  child.once('exit', () => tellGuard(`-pid:${pid}`));
}

/** Has a Docker Compose project taken down when this process is gone; call the result once it was taken down in order. */
export function guardComposeProject(project: string): () => void {
  tellGuard(`+compose:${project}`);
  return () => tellGuard(`-compose:${project}`);
}

export interface TemporaryFolder {
  readonly path: string;
  remove(): void;
}

/** A new folder, in the system's temporary folder by default, which is removed by `remove()`, or else when this process is gone. */
export function temporaryFolder(stem: string, parent = tmpdir()): TemporaryFolder {
  const path = mkdtempSync(join(parent, `streamback-${stem}-`));
  tellGuard(`+dir:${path}`);
  return {
    path,
    remove() {
      rmSync(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
      tellGuard(`-dir:${path}`);
    },
  };
}
