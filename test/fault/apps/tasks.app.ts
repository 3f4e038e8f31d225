import 'reflect-metadata';
import { openSync, writeSync } from 'node:fs';
import { Controller, Inject, Injectable, Module, type OnModuleDestroy } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Ctx, EventPattern, MessagePattern, Payload } from '@nestjs/microservices';
import {
  BatchPattern,
  StreambackBatchContext,
  StreambackContext,
  StreambackModule,
  StreambackServer,
  type StreambackModuleOptions,
} from '../../../lib';
import { tell, until } from './app';

/** Handles tasks and writes down what it does with each, in a file that survives any end of the process. */
const options = JSON.parse(process.argv[2]!) as StreambackModuleOptions;
const file = openSync(process.argv[3]!, 'a');

export interface Task {
  readonly id: number;
  readonly ms: number;
}

/** What became of one run of a task; `closed`: its handler used the provider after that had closed. */
export type TaskStep = 'begun' | 'done' | 'aborted' | 'closed';

export interface TaskEntry {
  readonly step: TaskStep;
  readonly id: number;
  readonly pid: number;
  /** Of its message. */
  readonly partition: number;
  readonly offset: number;
  /** Epoch ms. */
  readonly at: number;
}

/** What handlers use: as a database's pool, it closes when the app is shut down. */
@Injectable()
class Database implements OnModuleDestroy {
  private isOpen = true;

  write(step: TaskStep, { id }: Task, context: StreambackContext): void {
    const { partition, offset } = context.getMessage();
    const entry: TaskEntry = {
      step: this.isOpen ? step : 'closed',
      id,
      pid: process.pid,
      partition,
      offset: Number(offset),
      at: Date.now(),
    };
    // At once and in one piece: a process that is killed has done nothing that is not in the file.
    writeSync(file, `${JSON.stringify(entry)}\n`);
  }

  onModuleDestroy(): void {
    this.isOpen = false;
  }
}

@Controller()
class TasksController {
  constructor(@Inject(Database) private readonly database: Database) {}

  @EventPattern<string>('task')
  task(@Payload() task: Task, @Ctx() context: StreambackContext): Promise<void> {
    return this.work(task, context);
  }

  @MessagePattern('request')
  async *request(@Payload() task: Task, @Ctx() context: StreambackContext): AsyncGenerator<number> {
    yield task.id;
    await this.work(task, context);
    yield task.id;
  }

  @BatchPattern('batched', { size: 20, maxWaitMs: 50 })
  async batched(tasks: Task[], batch: StreambackBatchContext): Promise<void> {
    const contexts = batch.getContexts();
    const write = (step: TaskStep): void => tasks.forEach((task, index) => this.database.write(step, task, contexts[index]!));
    write('begun');
    await until(Math.max(...tasks.map(({ ms }) => ms)), batch.signal);
    write('done');
  }

  private async work(task: Task, context: StreambackContext): Promise<void> {
    this.database.write('begun', task, context);
    try {
      await until(task.ms, context.signal);
    } catch (reason) {
      this.database.write('aborted', task, context);
      throw reason;
    }
    this.database.write('done', task, context);
  }
}

@Module({ imports: [StreambackModule.forRoot(options)], controllers: [TasksController], providers: [Database] })
class AppModule {}

async function main(): Promise<void> {
  const app = await NestFactory.createMicroservice(AppModule, {
    useFactory: (strategy: StreambackServer) => ({ strategy }),
    inject: [StreambackServer],
    logger: ['error', 'warn'],
  });
  app.enableShutdownHooks();
  await app.listen();
  tell({ type: 'ready' });
}

void main();
