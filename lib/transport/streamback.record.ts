import { checkOptions } from '../common/option-rules';
import type { AnswerType } from '../producer/answer-type';
import type { FeedbackForm, StreambackRequestOptions } from '../producer/request-options';
import { REQUEST_RULES } from '../streamback.option-rules';

/** Data with options of its own: what `send`, `emit` and `open` take in place of bare data. Also how `null` is sent. */
export class StreambackRecord<Data = unknown, Answer = any> {
  /** @throws StreambackConfigError INVALID_OPTION */
  constructor(
    readonly data: Data,
    readonly options: StreambackRequestOptions<Answer> = {},
  ) {
    checkOptions<StreambackRequestOptions>(options, REQUEST_RULES, 'record');
  }
}

/** Builds a {@link StreambackRecord}, as Nest's own record builders do. */
export class StreambackRecordBuilder<Data = unknown, Answer = any> {
  private options: StreambackRequestOptions<Answer> = {};

  constructor(private data: Data) {}

  setData(data: Data): this {
    this.data = data;
    return this;
  }

  /** Messages of one key go to one partition and are handled in order. */
  setKey(key: string): this {
    return this.set({ key });
  }

  /** The broker's own headers. */
  setHeaders(headers: Readonly<Record<string, string>>): this {
    return this.set({ headers });
  }

  /** Longest wait for the next answer, in ms. */
  setIdleTimeoutMs(idleTimeoutMs: number): this {
    return this.set({ idleTimeoutMs });
  }

  /** Longest wait for the whole, in ms. */
  setTimeoutMs(timeoutMs: number): this {
    return this.set({ timeoutMs });
  }

  /** Answers that a pulling handler may be ahead of its reader at first. */
  setCredit(credit: number): this {
    return this.set({ credit });
  }

  /** Told when the handler begins anew after answers were given; the request goes on with the new attempt's. */
  setOnRestart(onRestart: (attempt: number) => void): this {
    return this.set({ onRestart });
  }

  /** Answers are made instances of this class, by `class-transformer`; it types the result of `send` and `open`. */
  setResponseType<Next>(responseType: AnswerType<Next>): StreambackRecordBuilder<Data, Next> {
    return (this as unknown as StreambackRecordBuilder<Data, Next>).set({ responseType });
  }

  /** How answers travel: `'list'` in a feedback list of the request's own, as Python streamback's. */
  setFeedback(feedback: FeedbackForm): this {
    return this.set({ feedback });
  }

  /** Answers of this group alone. */
  setFromGroup(fromGroup: string): this {
    return this.set({ fromGroup });
  }

  /** @throws StreambackConfigError INVALID_OPTION */
  build(): StreambackRecord<Data, Answer> {
    return new StreambackRecord(this.data, this.options);
  }

  private set(options: StreambackRequestOptions<Answer>): this {
    this.options = { ...this.options, ...options };
    return this;
  }
}

/** What a client's methods take: bare data, or data with options. A builder is built. */
export type StreambackSendable<Data, Answer = any> = Data | StreambackRecord<Data, Answer> | StreambackRecordBuilder<Data, Answer>;

/** The record of a builder that was given in its place; anything else as it is. @throws StreambackConfigError INVALID_OPTION */
export const built = <Given>(given: Given): Exclude<Given, StreambackRecordBuilder> | StreambackRecord =>
  given instanceof StreambackRecordBuilder ? given.build() : (given as Exclude<Given, StreambackRecordBuilder>);
