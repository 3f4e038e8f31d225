import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { StreambackClient, type StreambackOptions } from '../../lib';
import { eventually } from '../support/eventually';
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

  /** Of the tasks that the broker has acknowledged, those that no run has done. */
  notDone({ acknowledged }: TaskLoad): number[] {
    const done = new Set(this.entries().flatMap(({ step, id }) => (step === 'done' ? [id] : [])));
    return [...acknowledged].filter((id) => !done.has(id));
  }

  /** The same, when all are done, or none has been for 30 s: then they are lost. */
  async lost(load: TaskLoad): Promise<number> {
    for (let known = -1; known < this.entries().length;) {
      known = this.entries().length;
      await eventually('all are done', () => this.notDone(load).length === 0, { timeoutMs: 30_000, intervalMs: 500 }).catch(
        () => undefined,
      );
      if (this.notDone(load).length === 0) return 0;
    }
    return this.notDone(load).length;
  }
}

/** So many tasks may wait: what a machine cannot handle in time is not sent, or the end of the test would wait for it. */
const MAX_WAITING = 500;

/** Emits tasks at a steady rate until it is stopped, and knows which the broker has acknowledged. */
export class TaskLoad {
  readonly acknowledged = new Set<number>();
  private stopped = false;
  private next = 0;
  private looked = 0;
  private readonly finished = new Set<number>();
  private readonly client: StreambackClient;
  private readonly running: Promise<void>;

  constructor(
    scene: Scene,
    options: StreambackOptions,
    private readonly file: TaskFile,
    perSecond: number,
    taskMs: (id: number) => number,
    private readonly pattern = 'task',
  ) {
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
      const room = MAX_WAITING - (this.next - this.done());
      for (let left = Math.min((perSecond * everyMs) / 1_000, room); left > 0; left--)
        emits.push(this.emit({ id: this.next++, ms: taskMs(this.next) }));
      await wait(everyMs);
    }
    await Promise.all(emits);
  }

  private done(): number {
    const entries = this.file.entries();
    for (; this.looked < entries.length; this.looked++)
      if (entries[this.looked]!.step === 'done' && entries[this.looked]!.id >= 0) this.finished.add(entries[this.looked]!.id);
    return this.finished.size;
  }

  private emit(task: Task): Promise<void> {
    return new Promise((resolve, reject) => {
      this.client.emit(this.pattern, task).subscribe({
        error: reject,
        complete: () => {
          this.acknowledged.add(task.id);
          resolve();
        },
      });
    });
  }
}
