import 'reflect-metadata';
import { Inject, Injectable, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { StreambackClient, StreambackModule, StreambackRecordBuilder, type StreambackModuleOptions } from '../../../lib';
import type { AppMessage } from '../../support/app-process';
import { answerState, tell, whenTold } from './app';

/** A client whose calls are told by the test, and how each of them ended. */
const options = JSON.parse(process.argv[2]!) as StreambackModuleOptions;

export interface Calls extends AppMessage {
  readonly type: 'calls';
  /** For each call, by its id: how long its handler works, and its deadline. */
  readonly calls: readonly { readonly ms: number; readonly timeoutMs: number }[];
}

export interface CallEnd {
  readonly id: number;
  /** `complete`, or the code of its error. */
  readonly end: string;
  readonly answers: number;
  readonly wrong: number;
  /** After its deadline. */
  readonly lateMs: number;
}

@Injectable()
class Caller {
  constructor(@Inject(StreambackClient) private readonly client: StreambackClient) {}

  call(id: number, ms: number, timeoutMs: number): Promise<CallEnd> {
    const deadline = performance.now() + timeoutMs;
    let [answers, wrong] = [0, 0];
    return new Promise((resolve) => {
      const over = (end: string): void => resolve({ id, end, answers, wrong, lateMs: performance.now() - deadline });
      this.client.send<{ id: number }>('work', new StreambackRecordBuilder({ id, ms }).setTimeoutMs(timeoutMs).build()).subscribe({
        next: (answer) => {
          answers += 1;
          if (answer.id !== id) wrong += 1;
        },
        complete: () => over('complete'),
        error: (error: { code?: string }) => over(error.code ?? 'an error without code'),
      });
    });
  }
}

@Module({ imports: [StreambackModule.forRoot(options)], providers: [Caller] })
class AppModule {}

async function main(): Promise<void> {
  const app = await NestFactory.createApplicationContext(AppModule, { logger: ['error', 'warn'] });
  const caller = app.get(Caller);
  answerState(() => ({}));
  whenTold<Calls>('calls', ({ calls }) => {
    void Promise.all(calls.map(({ ms, timeoutMs }, id) => caller.call(id, ms, timeoutMs))).then((ends) => tell({ type: 'ended', ends }));
  });
  tell({ type: 'ready' });
}

void main();
