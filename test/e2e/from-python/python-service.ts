import { Controller, Injectable } from '@nestjs/common';
import { EventPattern, MessagePattern } from '@nestjs/microservices';
import { firstValueFrom } from 'rxjs';
import { InjectStreamback, listener, StreambackClient, StreambackRecordBuilder, type StreambackOptions } from '../../../lib';

// #region retry
@Controller()
export class RetriedController {
  // RetryStrategy(retry_times=3, retry_interval=1, retry_on_exceptions=[TypeError])
  @EventPattern<string>('retried', listener({ retry: { times: 3, delayMs: 1_000, backoff: 1, jitter: 0, on: [TypeError] } }))
  handle(value: unknown): void {
    console.log('received:', value);
  }
}
// #endregion

// #region migration
export const duringMigration: StreambackOptions = {
  group: 'example_consumer_app', // the name of the Python service: its members share the topics' partitions
  streams: process.env.STREAMBACK_STREAMS, // Python's own string, with `main`, `feedback`, `topics_prefix` and `group`
  kafka: { partitioner: 'crc32' }, // keys go where Python puts them
  bigint: true, // integers beyond 2^53 without loss
  requestOptions: { 'old.service': { feedback: 'list' } }, // not needed: it is found out
};
// #endregion

// #region resume
@Injectable()
export class Reports {
  constructor(@InjectStreamback() private readonly client: StreambackClient) {}

  /** What `streamback.send(...).feedback_topic` gives: any process may read the answers. */
  async start(id: number): Promise<string> {
    const lane = this.client.open('report', new StreambackRecordBuilder({ id }).setFeedback('list').build());
    await this.client.flush(); // or the process may end before the broker has it
    return lane.feedbackTopic!;
  }

  /** `streamback.continue_stream(feedback_topic)` */
  async read(feedbackTopic: string): Promise<string[]> {
    const pages: string[] = [];
    for await (const page of this.client.resume<string>(feedbackTopic)) pages.push(page);
    return pages;
  }

  /** `.read(from_group='example_consumer_app')`, `send(key=)` */
  first(id: number): Promise<string> {
    const record = new StreambackRecordBuilder({ id }).setFromGroup('example_consumer_app').setKey(String(id)).build();
    return firstValueFrom(this.client.send<string>('report', record));
  }
}
// #endregion

@Controller()
export class ReportController {
  @MessagePattern('report')
  *report({ id }: { id: number }): Generator<string> {
    yield* [`${id}: one`, `${id}: two`];
  }
}
