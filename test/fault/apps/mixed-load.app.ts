import 'reflect-metadata';
import { setTimeout as pause } from 'node:timers/promises';
import { Inject, Injectable, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { StreambackClient, StreambackModule, type StreambackModuleOptions } from '../../../lib';
import { answerState, tell, whenTold } from './app';
import type { CountAnswer } from './service.app';

/** A client with a mixed load: first as much as goes, to see the peak, then half of it, until it is told to stop. */
const options = JSON.parse(process.argv[2]!) as StreambackModuleOptions;
const WARM_UP_MS = 3_000;
const PEAK_MS = 5_000;
const PEAK_IN_FLIGHT = 100;
const TICK_MS = 10;
const STREAM = 20;
const CANCEL_AFTER = 5;

type Kind = 'call' | 'event' | 'stream' | 'failure' | 'cancel';
/** Of twenty operations. */
const MIX: readonly Kind[] = [
  ...new Array<Kind>(11).fill('call'),
  ...new Array<Kind>(4).fill('event'),
  'stream',
  'stream',
  'failure',
  'failure',
  'cancel',
];

@Injectable()
class MixedLoad {
  readonly started: Record<Kind, number> = { call: 0, event: 0, stream: 0, failure: 0, cancel: 0 };
  readonly counts = { ended: 0, answers: 0, twice: 0, missing: 0, outOfOrder: 0, unexpected: 0, lastUnexpected: '' };
  private next = 0;

  constructor(@Inject(StreambackClient) private readonly client: StreambackClient) {}

  get inFlight(): number {
    return this.next - this.counts.ended;
  }

  /** Resolves when it has ended, as it should or not. */
  async start(): Promise<void> {
    const kind = MIX[this.next++ % MIX.length]!;
    const id = this.started[kind]++;
    try {
      await this[kind](id);
    } catch (error) {
      this.counts.unexpected += 1;
      this.counts.lastUnexpected = `${kind}: ${String(error)}`;
    }
    this.counts.ended += 1;
  }

  private call(id: number): Promise<void> {
    return this.read<number>('echo', id, 1, (answer) => answer === id);
  }

  private stream(): Promise<void> {
    return this.read<CountAnswer>('count', { to: STREAM }, STREAM, ({ n }, at) => n === at);
  }

  private event(id: number): Promise<void> {
    return new Promise((resolve, reject) => this.client.emit('happened', id).subscribe({ error: reject, complete: resolve }));
  }

  private failure(id: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.client.send('fail', id).subscribe({
        // Whatever Nest makes of an RpcException: its text, or an object that has it.
        error: (error: unknown) => (JSON.stringify(error).includes(`no ${id}`) ? resolve() : reject(error as Error)),
        complete: () => reject(new Error('completed')),
      });
    });
  }

  private cancel(): Promise<void> {
    return new Promise((resolve, reject) => {
      const subscription = this.client.send<CountAnswer>('count', { everyMs: 1 }).subscribe({
        next: ({ n }) => {
          this.counts.answers += 1;
          if (n < CANCEL_AFTER) return;
          subscription.unsubscribe();
          resolve();
        },
        error: reject,
        complete: () => reject(new Error('completed')),
      });
    });
  }

  private read<Answer>(pattern: string, data: unknown, length: number, fits: (answer: Answer, at: number) => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      let seen = 0;
      this.client.send<Answer>(pattern, data).subscribe({
        next: (answer) => {
          this.counts.answers += 1;
          if (seen >= length) this.counts.twice += 1;
          else if (!fits(answer, seen)) this.counts.outOfOrder += 1;
          seen += 1;
        },
        error: reject,
        complete: () => {
          this.counts.missing += Math.max(0, length - seen);
          resolve();
        },
      });
    });
  }
}

@Module({ imports: [StreambackModule.forRoot(options)], providers: [MixedLoad] })
class AppModule {}

async function main(): Promise<void> {
  const app = await NestFactory.createApplicationContext(AppModule, { logger: ['error', 'warn'] });
  const load = app.get(MixedLoad);
  let stopped = false;
  answerState(() => ({ started: load.started, inFlight: load.inFlight, ...load.counts }));
  whenTold('stop', () => (stopped = true));
  tell({ type: 'ready' });

  const asMuchAsGoes = async (ms: number): Promise<number> => {
    const [end, before] = [performance.now() + ms, load.counts.ended];
    const again = async (): Promise<void> => {
      while (performance.now() < end) await load.start();
    };
    await Promise.all(Array.from({ length: PEAK_IN_FLIGHT }, again));
    return Math.round((load.counts.ended - before) / (ms / 1_000));
  };
  await asMuchAsGoes(WARM_UP_MS);
  const peakPerSecond = await asMuchAsGoes(PEAK_MS);
  tell({ type: 'soaking', peakPerSecond });

  const soakAt = performance.now();
  let soaked = 0;
  while (!stopped) {
    await pause(TICK_MS);
    const due = ((performance.now() - soakAt) / 1_000) * (peakPerSecond / 2);
    for (; soaked < due; soaked++) void load.start();
  }
  tell({ type: 'stopped', operations: soaked, ms: performance.now() - soakAt });
}

void main();
