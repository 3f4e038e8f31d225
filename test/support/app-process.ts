import { fork, type ChildProcess } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { build } from 'vite';
import { outputWatcher, watchText } from './canary';
import { guardProcess, temporaryFolder } from './process-guard';

/** An app in a process of its own, so that a test can kill it. It talks to the test by `process.send` and `process.on('message')`. */
export interface AppProcess {
  readonly pid: number;
  /** All that it has sent so far. */
  readonly messages: readonly AppMessage[];
  /** Its standard output and error so far. */
  readonly output: string;
  /** Resolves when it is gone. */
  readonly exited: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
  send(message: AppMessage): void;
  /** The next message of this type that no call has been given yet; rejects where the process ends first, or after `timeoutMs`. */
  next<T extends AppMessage = AppMessage>(type: string, timeoutMs?: number): Promise<T>;
  /** Sends a signal, SIGKILL by default, and waits for the exit unless it is SIGSTOP or SIGCONT. */
  kill(signal?: NodeJS.Signals): Promise<void>;
}

export interface AppMessage {
  readonly type: string;
  readonly [field: string]: unknown;
}

export interface AppProcessOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly args?: readonly string[];
  readonly execArgv?: readonly string[];
}

const ROOT = resolve(__dirname, '../..');
const CACHE = join(ROOT, '.cache');
const NEXT_TIMEOUT_MS = 20_000;

/** Starts a script, such as `test/fault/apps/service.app.ts` (from the repository's root), which may import lib by relative paths. */
export async function startApp(script: string, { env = {}, args = [], execArgv = [] }: AppProcessOptions = {}): Promise<AppProcess> {
  const file = await compiled(resolve(ROOT, script));
  const child = fork(file, args, {
    env: { ...process.env, ...env },
    execArgv: ['--enable-source-maps', ...execArgv],
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    detached: true,
  });
  guardProcess(child);
  return appProcess(child, script);
}

const compilations = new Map<string, Promise<string>>();

/** One file from the script and all it imports but packages: Node 20 runs no TypeScript, and dist could be older than lib. */
function compiled(script: string): Promise<string> {
  let compilation = compilations.get(script);
  if (!compilation) {
    const name = `${basename(script).replace(/\.\w+$/, '')}.cjs`;
    mkdirSync(CACHE, { recursive: true });
    // Within the repository, so that the script finds node_modules.
    const folder = temporaryFolder('app', CACHE).path;
    compilation = build({
      root: ROOT,
      configFile: false,
      logLevel: 'error',
      oxc: { decorator: { legacy: true, emitDecoratorMetadata: true } },
      build: {
        ssr: script,
        outDir: folder,
        emptyOutDir: false,
        minify: false,
        sourcemap: true,
        target: 'node20',
        rolldownOptions: { output: { format: 'cjs', entryFileNames: name } },
      },
    }).then(() => join(folder, name));
    compilations.set(script, compilation);
  }
  return compilation;
}

function appProcess(child: ChildProcess, script: string): AppProcess {
  const messages: AppMessage[] = [];
  const unread: AppMessage[] = [];
  const waiting = new Set<() => void>();
  let output = '';
  let gone = false;
  const exited = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((settle) => {
    child.once('exit', (code, signal) => {
      gone = true;
      settle({ code, signal });
      for (const check of waiting) check();
    });
  });
  for (const stream of [child.stdout, child.stderr]) {
    const watch = outputWatcher(`the output of ${script}`);
    stream?.on('data', (chunk: Buffer) => {
      watch(chunk);
      output += chunk.toString();
    });
  }
  child.on('message', (message: AppMessage) => {
    watchText(`a message of ${script}`, JSON.stringify(message));
    messages.push(message);
    unread.push(message);
    for (const check of waiting) check();
  });

  return {
    pid: child.pid ?? -1,
    messages,
    get output() {
      return output;
    },
    exited,
    send: (message) => void child.send(message),
    next<T extends AppMessage>(type: string, timeoutMs = NEXT_TIMEOUT_MS): Promise<T> {
      return new Promise((resolveNext, reject) => {
        const finish = (): void => {
          clearTimeout(timer);
          waiting.delete(check);
        };
        const check = (): void => {
          const at = unread.findIndex((message) => message.type === type);
          if (at >= 0) {
            finish();
            resolveNext(unread.splice(at, 1)[0] as T);
          } else if (gone) {
            finish();
            reject(new Error(`${script} ended before it sent '${type}':\n${output}`));
          }
        };
        const timer = setTimeout(() => {
          finish();
          reject(new Error(`${script} sent no '${type}' within ${timeoutMs} ms:\n${output}`));
        }, timeoutMs);
        waiting.add(check);
        check();
      });
    },
    async kill(signal = 'SIGKILL') {
      if (gone) return;
      child.kill(signal);
      if (signal !== 'SIGSTOP' && signal !== 'SIGCONT') await exited;
    },
  };
}
