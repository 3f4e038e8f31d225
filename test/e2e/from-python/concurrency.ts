import { Controller } from '@nestjs/common';
import { EventPattern } from '@nestjs/microservices';
import { listener } from '../../../lib';

// #region concurrency
@Controller()
export class ConcurrentController {
  @EventPattern<string>('test_hello_pool') // in the pool of workers
  pooled(value: unknown): void {
    console.log('received:', value);
  }

  @EventPattern<string>('test_hello_2', listener({ processes: 2 })) // two worker processes of its own
  own(value: unknown): void {
    console.log('received:', value);
  }

  @EventPattern<string>(
    'test_hello_3',
    listener({
      processes: [
        [0, 1],
        [100, 3],
        [1_000, 8],
      ],
    }),
  ) // by lag, as Python's lists
  byLag(value: unknown): void {
    console.log('received:', value);
  }
}
// #endregion
