import { Global, Inject, Injectable, Module } from '@nestjs/common';
import { DiscoveryModule } from '@nestjs/core';
import { StreambackConfigError } from './common/errors';
import { processRole } from './common/process-role';
import { ScheduleExplorer } from './scheduler/schedule.explorer';
import { StreambackScheduleRegistry, type Schedulers } from './scheduler/schedule.registry';
import { scheduleEntry } from './scheduler/schedule-entry';
import { Scheduler } from './scheduler/scheduler';
import { StreambackConnections } from './streamback.connections';
import type { StreambackConnection } from './transport/connection';
import { StreambackRecord } from './transport/streamback.record';

/** Has a scheduler for each connection that has schedules, and gives it those that are declared. */
@Injectable()
export class StreambackSchedules implements Schedulers {
  private readonly schedulers = new Map<StreambackConnection, Scheduler>();
  private explored = false;
  private started = false;

  constructor(
    @Inject(StreambackConnections) private readonly connections: StreambackConnections,
    @Inject(ScheduleExplorer) private readonly explorer: ScheduleExplorer,
  ) {}

  /** From now on what is due is sent. @throws StreambackConfigError */
  start(): void {
    this.explore();
    this.started = true;
    for (const scheduler of this.schedulers.values()) scheduler.start();
  }

  /** Nothing is sent any more, once what is being sent has been, or after the connection's `drainTimeoutMs`. */
  async end(): Promise<void> {
    this.started = false;
    await Promise.all([...this.schedulers].map(([{ options }, scheduler]) => scheduler.end(options.drainTimeoutMs)));
  }

  of(connection: string | undefined): Scheduler {
    this.explore();
    const scheduler = this.schedulerOf(this.connections.get(connection));
    if (this.started) scheduler.start();
    return scheduler;
  }

  /** What is used before the app has started finds what is declared, too. */
  private explore(): void {
    if (this.explored) return;
    this.schedulers.clear();
    for (const connection of this.connections.all()) {
      for (const options of connection.options.schedules) {
        const sending = options.connection === undefined ? connection : this.connections.get(options.connection);
        this.schedulerOf(sending).declare(scheduleEntry(options, 'options'));
      }
    }
    for (const entry of this.explorer.explore()) this.schedulerOf(this.connections.get(entry.options.connection)).declare(entry);
    this.explored = true;
  }

  private schedulerOf(connection: StreambackConnection): Scheduler {
    const scheduler = this.schedulers.get(connection) ?? this.newScheduler(connection);
    this.schedulers.set(connection, scheduler);
    return scheduler;
  }

  private newScheduler(connection: StreambackConnection): Scheduler {
    const { options, feedback, logger } = connection;
    if (!feedback?.schedules) {
      throw new StreambackConfigError('MISSING_CAPABILITY', `The connection '${options.connection}' cannot keep schedules`, {
        remedy: "Add a feedback stream that can: 'main=…&feedback=redis://…'.",
      });
    }
    const client = this.connections.client(connection);
    return new Scheduler({
      // Of two deployments that are told apart by their topics alone, each has schedules of its own.
      group: options.topicsPrefix === '' ? options.group : `${options.topicsPrefix}.${options.group}`,
      store: feedback.schedules,
      publisher: {
        check: (pattern) => void client.topicOf(pattern),
        publish: (id, pattern, data, record) => client.emitAs(id, pattern, new StreambackRecord(data, record)),
      },
      logger,
      // A worker's are its parent's.
      fires: processRole().kind !== 'worker',
    });
  }
}

@Global()
@Module({
  imports: [DiscoveryModule],
  providers: [
    ScheduleExplorer,
    StreambackSchedules,
    {
      provide: StreambackScheduleRegistry,
      inject: [StreambackSchedules],
      useFactory: (schedules: StreambackSchedules) => new StreambackScheduleRegistry(schedules),
    },
  ],
  exports: [StreambackSchedules, StreambackScheduleRegistry],
})
export class StreambackSchedulesModule {}
