import type { Clock } from '../common/clock';
import type { StreambackLogger } from '../common/logger';
import type { FeedbackWriter } from '../inbox/feedback-writer';
import type { Inbox } from '../inbox/inbox';
import type { JsonForm } from '../protocol/json';
import type { FeedbackStream } from '../streams/feedback-stream';
import type { PublisherOptions } from './publisher';
import type { RemoteControlOptions } from './remote-control';
import type { StreambackRequestDefaults } from './request-options';

/** What answers come by. */
export interface ProducerFeedback {
  readonly stream: FeedbackStream;
  readonly inbox: Inbox;
  readonly writer: FeedbackWriter;
}

export interface ProducerOptions extends RemoteControlOptions, PublisherOptions {
  readonly group: string;
  readonly defaults: StreambackRequestDefaults;
  /** What a pattern says, over the defaults. @default {} */
  readonly requestOptions?: Readonly<Record<string, StreambackRequestDefaults>>;
  /** @default plain JSON */
  readonly json?: JsonForm;
  readonly clock?: Clock;
  readonly logger?: StreambackLogger;
}
