import 'reflect-metadata';
import { setTimeout as pause } from 'node:timers/promises';
import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Ctx, EventPattern, MessagePattern, Payload } from '@nestjs/microservices';
import {
  AutoRestart,
  listener,
  ListenerStats,
  runWorkers,
  StreambackContext,
  StreambackLifecycle,
  StreambackModule,
  StreambackServer,
  type SupervisorTick,
  type WorkerInfo,
  type WorkerStats,
} from '../../../lib';
import type { WorkersAppOptions, WorkersAppReport } from '../../support/workers-app';

/** An app run by `runWorkers`. Its processes share the standard output, and report there: a worker's channel is its parent's. */
const options = JSON.parse(process.argv[2]!) as WorkersAppOptions;

const report = (line: WorkersAppReport): void => void process.stdout.write(`${JSON.stringify(line)}\n`);

@Controller()
class WorkController {
  @EventPattern<string>('jobs', listener({ concurrency: 4, processes: options.processes }))
  async job(@Payload() id: number, @Ctx() context: StreambackContext): Promise<void> {
    const { partition, offset } = context.getMessage();
    const job = { pid: process.pid, id, at: `${partition}/${offset}` };
    report({ type: 'begun', ...job });
    await pause(options.jobMs ?? 5);
    report({ type: 'handled', ...job });
  }

  @MessagePattern('echo')
  echo(@Payload() value: unknown): { value: unknown; pid: number } {
    return { value, pid: process.pid };
  }

  @MessagePattern('other')
  other(): number {
    return process.pid;
  }

  @EventPattern('freeze')
  freeze(@Payload() _data: unknown): void {
    report({ type: 'frozen', pid: process.pid });
    for (;;);
  }

  @EventPattern('crash', listener({ processes: options.crashProcesses }))
  crash(@Payload() _data: unknown): void {
    process.kill(process.pid, 'SIGKILL');
  }
}

@StreambackLifecycle()
class Reporting {
  async onWorkerStart(worker: WorkerInfo): Promise<void> {
    await pause(500);
    report({ type: 'started', pid: process.pid, ...worker });
  }
  onSupervisorTick({ lag, workers }: SupervisorTick): void {
    report({ type: 'tick', pid: process.pid, tick: { lag, workers } });
  }
  onStats(stats: WorkerStats): void {
    report({ type: 'stats', pid: process.pid, stats });
  }
}

const { lifecycle, autoRestart } = options;

@Module({
  imports: [
    StreambackModule.forRoot({
      group: options.group,
      topicsPrefix: options.group,
      streams: options.streams,
      leaseMs: 1_000,
      drainTimeoutMs: 5_000,
      kafka: { partitions: options.partitions ?? 1, consumer: { sessionTimeout: 6_000 } },
    }),
  ],
  controllers: [WorkController],
  providers: [
    ...(lifecycle ? [Reporting, { provide: ListenerStats, useValue: new ListenerStats({ intervalMs: 300 }) }] : []),
    ...(autoRestart ? [{ provide: AutoRestart, useValue: new AutoRestart(autoRestart) }] : []),
  ],
})
class AppModule {}

async function bootstrap(worker?: WorkerInfo) {
  report({ type: 'starting', pid: process.pid, ...worker });
  if (worker && options.failing === 'worker') throw new Error('no such table');
  const app = await NestFactory.create(AppModule, { logger: ['log', 'warn', 'error'] });
  if (options.hooks) app.enableShutdownHooks();
  app.connectMicroservice({ strategy: app.get(StreambackServer) }, { inheritAppConfig: true });
  await app.startAllMicroservices();
  if (options.failing === 'crash' && worker?.patterns.join() === 'crash') process.kill(process.pid, 'SIGKILL');
  if (!worker) await app.listen(options.port ?? 0, '127.0.0.1');
  report({ type: worker ? 'serving' : 'up', pid: process.pid, ...worker });
  return app;
}

void runWorkers(bootstrap, options.runWorkers);
