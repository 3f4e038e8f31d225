import { Controller } from '@nestjs/common';
import { BatchPattern } from '../../../lib';

// #region class-consumer
@Controller()
export class LogsController {
  readonly committed: string[] = [];

  @BatchPattern('new_log', { size: 100, maxWaitMs: 1_000, order: 'partition' })
  consume(logs: string[]): void {
    this.committed.push(...logs);
  }
}
// #endregion
