import { Controller, type OnModuleDestroy } from '@nestjs/common';
import { EventPattern } from '@nestjs/microservices';
import { listener } from '../../../lib';

// #region class-consumer
@Controller()
export class LogsController implements OnModuleDestroy {
  private logs: unknown[] = [];
  readonly committed: unknown[] = [];

  // Nest makes one instance a process, so a controller may keep what it likes; handlers are drained before this is called.
  async onModuleDestroy(): Promise<void> {
    await this.flush();
  }

  @EventPattern<string>('new_log', listener({ order: 'partition' }))
  async consume(log: unknown): Promise<void> {
    this.logs.push(log);
    if (this.logs.length > 100) await this.flush();
  }

  async flush(): Promise<void> {
    this.committed.push(...this.logs);
    this.logs = [];
  }
}
// #endregion
