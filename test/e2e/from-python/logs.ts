import { Controller } from '@nestjs/common';
import { BatchPattern } from '../../../lib';

// #region class-consumer
@Controller()
export class LogsController {
  readonly committed: unknown[][] = [];

  @BatchPattern('new_log', { size: 100, maxWaitMs: 1_000 })
  async commit(logs: unknown[]): Promise<void> {
    this.committed.push(logs);
  }
}
// #endregion
