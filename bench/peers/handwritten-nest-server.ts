import { BaseRpcContext, Server, type CustomTransportStrategy, type MessageHandler } from '@nestjs/microservices';
import { isObservable, of, type Observer } from 'rxjs';
import type { Item, Venue } from '../peer';
import { startConsumer } from './handwritten-consumer';
import { Replies } from './handwritten-replies';
import type { Form, Request } from './handwritten-wire';

/** The consuming half of the loop as a transport of Nest's, with nothing around it: an error of a handler is answered to nobody. */
export class HandwrittenNestServer extends Server<never> implements CustomTransportStrategy {
  private readonly replies: Replies;
  private end: (() => Promise<void>) | undefined;

  constructor(
    private readonly venue: Venue,
    form: Form,
  ) {
    super();
    this.replies = new Replies(venue.redisUrl, form);
  }

  listen(callback: (error?: unknown) => void): void {
    const handle = (topic: string, request: Request): void => void this.handle(this.messageHandlers.get(topic)!, topic, request);
    startConsumer(this.venue, handle).then((end) => {
      this.end = end;
      callback();
    }, callback);
  }

  close(): Promise<unknown> {
    return Promise.all([this.end?.(), this.replies.close()]);
  }

  on(): void {}

  unwrap<Wrapped>(): Wrapped {
    return this.replies as Wrapped;
  }

  private async handle(handler: MessageHandler, topic: string, { message, request }: Request): Promise<void> {
    const result: unknown = await handler(message, new BaseRpcContext([topic]));
    const answers = isObservable(result) ? result : of(result);
    answers.subscribe(request && this.answering(request));
  }

  /** The end rides on the last value, which is known to be it when the next one does not come. */
  private answering({ id, inbox }: NonNullable<Request['request']>): Partial<Observer<unknown>> {
    let last: Item | undefined;
    const add = (end: boolean): void => this.replies.add(inbox, { id, value: last as Item, end });
    return {
      next: (value) => {
        if (last !== undefined) add(false);
        last = value as Item;
      },
      complete: () => add(true),
    };
  }
}
