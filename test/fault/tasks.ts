import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { StreambackClient, type StreambackOptions } from '../../lib';
import { temporaryFolder } from '../support/process-guard';
import { type Scene, wait } from './apps';
import type { Task, TaskEntry } from './apps/tasks.app';

/** What the processes of `tasks.app.ts` wrote down. */
export class TaskFile {
  readonly path: string;
  private readonly known: TaskEntry[] = [];
  private read = 0;

  constructor(scene: Scene) {
    const folder = temporaryFolder('tasks');
    scene.closers.push(async () => folder.remove());
    this.path = join(folder.path, 'tasks.jsonl');
    writeFileSync(this.path, '');
  }

  /** In the order of their writing. */
  entries(): readonly TaskEntry[] {
    const text = readFileSync(this.path).toString('utf8', this.read);
    const whole = text.slice(0, text.lastIndexOf('\n') + 1);
    this.read += Buffer.byteLength(whole);
    for (const line of whole.split('\n')) if (line) this.known.push(JSON.parse(line) as TaskEntry);
    return this.known;
  }

  /** Of these ids, those that no run has done. */
  lost(ids: Iterable<number>): number[] {
    const done = new Set(this.entries().flatMap(({ step, id }) => (step === 'done' ? [id] : [])));
    return [...ids].filter((id) => !done.has(id));
  }
}

/** Emits tasks at a steady rate until it is stopped, and knows which the broker has acknowledged. */
export class TaskLoad {
  readonly acknowledged = new Set<number>();
  private stopped = false;
  private next = 0;
  private readonly client: StreambackClient;
  private readonly running: Promise<void>;

  constructor(scene: Scene, options: StreambackOptions, perSecond: number, taskMs: (id: number) => number) {
    this.client = new StreambackClient({ ...options, group: 'sender' });
    scene.closers.push(() => this.client.close());
    this.running = this.run(perSecond, taskMs);
  }

  /** Resolves when the last is acknowledged. */
  async stop(): Promise<void> {
    this.stopped = true;
    await this.running;
  }

  private async run(perSecond: number, taskMs: (id: number) => number): Promise<void> {
    const everyMs = 50;
    const emits: Promise<void>[] = [];
    while (!this.stopped) {
      for (let left = (perSecond * everyMs) / 1_000; left > 0; left--) emits.push(this.emit({ id: this.next++, ms: taskMs(this.next) }));
      await wait(everyMs);
    }
    await Promise.all(emits);
  }

  private emit(task: Task): Promise<void> {
    return new Promise((resolve, reject) => {
      this.client.emit('task', task).subscribe({
        error: reject,
        complete: () => {
          this.acknowledged.add(task.id);
          resolve();
        },
      });
    });
  }
}
