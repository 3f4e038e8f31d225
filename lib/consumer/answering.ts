import type { StreambackAbortError } from '../common/errors';
import type { FeedbackWriter } from '../inbox/feedback-writer';
import type { Inbox } from '../inbox/inbox';
import type { Envelope } from '../protocol/envelope';
import type { JsonForm } from '../protocol/json';
import type { FeedbackStream } from '../streams/feedback-stream';
import { ListFrames, RunFrames } from './frame-format';
import { Responder } from './responder';

/** What answers go by. */
export interface ConsumerFeedback {
  readonly stream: FeedbackStream;
  readonly inbox: Inbox;
  readonly writer: FeedbackWriter;
}

export interface AnsweringOptions {
  readonly group: string;
  readonly maxAnswerBytes: number;
  /** @default plain JSON */
  readonly json?: JsonForm;
}

/** Which run is answered for. */
export interface AnsweredRun {
  readonly pattern: string;
  readonly maxBuffered: number;
  /** Rank of the delivery. */
  readonly run: number;
  readonly attempt: number;
  readonly onGone: (reason: StreambackAbortError) => void;
  /** Called with each answer. */
  readonly onAnswer?: (() => void) | undefined;
}

/** Gives each run of a request its {@link Responder}. */
export class Answering {
  constructor(
    private readonly feedback: ConsumerFeedback | undefined,
    private readonly options: AnsweringOptions,
  ) {}

  /** Whether the inbox that a run would name to its requester does not exist just now: control that is sent to the old one is lost. */
  isUnreachable({ feedbackTopic }: Envelope): boolean {
    return feedbackTopic !== null && this.feedback?.inbox.isOpen === false;
  }

  /** Has the inbox made. @returns whether there is one now. Never rejects. */
  async open(): Promise<boolean> {
    return (
      (await this.feedback?.inbox.open().then(
        () => true,
        () => false,
      )) ?? true
    );
  }

  /** Null where nothing is answered: for an event, or for want of a feedback stream that reaches the requester. */
  responderFor({ id, feedbackTopic, inbox, credit }: Envelope, answered: AnsweredRun): Responder | null {
    if (feedbackTopic === null || !this.feedback) return null;
    const { group: sourceGroup, maxAnswerBytes, json } = this.options;
    const { stream, writer, inbox: own } = this.feedback;
    const byInbox = inbox !== undefined && id !== undefined;
    if (!byInbox && !stream.capabilities.lists) return null;
    const { pattern, maxBuffered, run, attempt, onGone, onAnswer } = answered;
    return new Responder({
      writer,
      pattern,
      maxAnswerBytes,
      json,
      maxBuffered,
      credit,
      onGone,
      onAnswer,
      target: byInbox ? { form: 'inbox', key: inbox } : { form: 'list', key: feedbackTopic },
      // Only our own clients give an id, and only they know numbered frames.
      format: id === undefined ? new ListFrames(sourceGroup) : new RunFrames({ id, sourceGroup, run, attempt, instance: own.key }),
    });
  }
}
