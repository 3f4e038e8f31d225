import { Redis } from 'ioredis';
import type { Answer, Form } from './handwritten-wire';

const MAX_PUSH = 1_000;

/** All answers of a tick for one inbox are one push. */
export class Replies {
  private readonly redis: Redis;
  private readonly byInbox = new Map<string, string[]>();

  constructor(
    redisUrl: string,
    private readonly form: Form,
  ) {
    this.redis = new Redis(redisUrl);
  }

  add(inbox: string, answer: Answer): void {
    if (this.byInbox.size === 0) setImmediate(() => this.flush());
    const waiting = this.byInbox.get(inbox);
    if (waiting) waiting.push(JSON.stringify(answer));
    else this.byInbox.set(inbox, [JSON.stringify(answer)]);
  }

  close(): Promise<unknown> {
    return this.redis.quit();
  }

  private flush(): void {
    for (const [inbox, answers] of this.byInbox) {
      for (let at = 0; at < answers.length; at += MAX_PUSH) {
        const some = answers.slice(at, at + MAX_PUSH);
        if (this.form.packed) void this.redis.rpush(inbox, `[${some.join(',')}]`);
        else void this.redis.rpush(inbox, ...some);
      }
    }
    this.byInbox.clear();
  }
}
