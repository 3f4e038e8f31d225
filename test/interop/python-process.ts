import { spawn, type ChildProcess } from 'node:child_process';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { guardProcess, temporaryFolder } from '../support/process-guard';

export interface PythonMessage {
  readonly type: string;
  readonly [field: string]: unknown;
}

/** A program of `test/interop/python` in a process of its own. */
export interface PythonProcess {
  /** All that it has told so far. */
  readonly messages: readonly PythonMessage[];
  readonly output: string;
  readonly exited: Promise<void>;
  send(message: object): void;
  /** Has each message handed over, beside `messages`. */
  onMessage(listener: (message: PythonMessage) => void): void;
  /** SIGTERM to the program, SIGKILL to all its processes where that takes longer than `graceMs`. */
  stop(graceMs?: number): Promise<void>;
  /** SIGKILL to all its processes. */
  kill(): Promise<void>;
}

const FOLDER = resolve(__dirname, 'python');
/** It ends behind the messages in hand; a member that is killed keeps its partitions for 45 s. */
const STOP_GRACE_MS = 30_000;

export function startPython(pythonPath: string, program: string, args: readonly string[]): PythonProcess {
  // Its scheduler writes a file into the working directory.
  const folder = temporaryFolder('python');
  const child = spawn(pythonPath, ['-u', resolve(FOLDER, program), ...args], {
    cwd: folder.path,
    env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1' },
    stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
    detached: true,
  });
  guardProcess(child);
  const messages: PythonMessage[] = [];
  const listeners: ((message: PythonMessage) => void)[] = [];
  let output = '';
  for (const stream of [child.stdout!, child.stderr!])
    stream.on('data', (chunk: Buffer) => (output = (output + String(chunk)).slice(-8_000)));
  createInterface({ input: child.stdio[3] as Readable }).on('line', (line) => {
    const message = JSON.parse(line) as PythonMessage;
    messages.push(message);
    for (const listener of listeners) listener(message);
  });
  const exited = new Promise<void>((ended) => {
    child.once('exit', () => {
      folder.remove();
      ended();
    });
  });
  const kill = async (): Promise<void> => {
    killGroup(child);
    await exited;
  };
  return {
    messages,
    get output() {
      return output;
    },
    exited,
    send: (message) => void child.stdin!.write(`${JSON.stringify(message)}\n`),
    onMessage: (listener) => void listeners.push(listener),
    async stop(graceMs = STOP_GRACE_MS) {
      child.kill('SIGTERM');
      const timer = setTimeout(() => killGroup(child), graceMs);
      await exited;
      clearTimeout(timer);
      killGroup(child);
    },
    kill,
  };
}

/** Its workers, too: Python streamback leaves them behind when it is killed. */
function killGroup({ pid }: ChildProcess): void {
  try {
    process.kill(-pid!, 'SIGKILL');
  } catch {
    // They are gone.
  }
}

/** A Python client that does what it is told. */
export class PythonClient {
  private number = 0;
  private readonly waiting = new Map<number, (message: PythonMessage) => void>();

  private constructor(private readonly child: PythonProcess) {
    child.onMessage((message) => {
      if (message.type === 'answer') this.waiting.get(message.number as number)?.(message);
    });
    void child.exited.then(() => {
      for (const settle of this.waiting.values()) settle({ type: 'answer', error: 'Gone', text: child.output });
    });
  }

  static async start(pythonPath: string, name: string, streams: string): Promise<PythonClient> {
    const child = startPython(pythonPath, 'client.py', [name, streams]);
    const client = new PythonClient(child);
    await new Promise<void>((ready, failed) => {
      child.onMessage(({ type }) => type === 'ready' && ready());
      void child.exited.then(() => failed(new Error(`The Python client ended:\n${child.output}`)));
    });
    return client;
  }

  /** What `command` gives. Rejects with the name and text of a Python exception. */
  async do<Result>(command: {
    readonly do: 'send' | 'read' | 'stream' | 'payloads' | 'flush';
    readonly [field: string]: unknown;
  }): Promise<Result> {
    return JSON.parse(await this.text(command)) as Result;
  }

  /** The same as Python's own JSON. */
  text(command: { readonly do: string; readonly [field: string]: unknown }): Promise<string> {
    const number = this.number++;
    return new Promise<string>((resolveText, reject) => {
      this.waiting.set(number, ({ json, error, text }) => {
        this.waiting.delete(number);
        if (error === undefined) resolveText(json as string);
        else reject(Object.assign(new Error(text as string), { name: error as string }));
      });
      this.child.send({ ...command, number });
    });
  }

  close(): Promise<void> {
    return this.child.kill();
  }
}
