import { Injectable } from '@nestjs/common';
import { CronExpression, CronMessage } from 'nestjs-streamback';
import { Subject } from 'rxjs';

@Injectable()
export class ChecksService {
  /** What the handlers were told. */
  readonly seen = new Subject<string>();
  private count = 0;

  /** What it returns is sent; start this app several times, and each tick is still sent once. */
  @CronMessage(CronExpression.EVERY_SECOND, 'checks.status', { name: 'status', description: 'asks how the server is' })
  status() {
    this.count += 1;
    return { check: this.count };
  }
}
