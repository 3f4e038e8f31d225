import type { Clock } from '../common/clock';
import type { Inbox } from '../inbox/inbox';
import { toJson } from '../protocol/json';
import { feedbackTopicOf } from '../protocol/keys';
import type { MainStream } from '../streams/main-stream';
import { acknowledgement, type Settled } from './handed-over';
import type { PendingRequest } from './pending-request';
import type { ProducerOptions } from './producer-options';
import { Publisher } from './publisher';
import { clientClosed } from './request-errors';
import type { StreambackRequestOptions } from './request-options';

/** What is sent: made into messages, held until there is a connection, and published. */
export class Outbox {
  private readonly publisher: Publisher;
  private closed = false;

  /** @param inbox what answers come by; without it only events are sent */
  constructor(
    main: MainStream,
    private readonly inbox: Inbox | undefined,
    private readonly options: ProducerOptions,
    private readonly clock: Clock,
  ) {
    this.publisher = new Publisher(main, options);
  }

  /** Connects what sending needs; cached, and tried again after a failure. @throws StreambackConnectionError */
  async connect(): Promise<void> {
    if (this.closed) throw clientClosed();
    await Promise.all([this.publisher.connect(), this.inbox?.open()]);
  }

  /** Resolves when all that was handed over is acknowledged. @throws the first failure since the last flush */
  flush(): Promise<void> {
    return this.publisher.flush();
  }

  /** Nothing can be sent any more. */
  get isClosed(): boolean {
    return this.closed;
  }

  close(): void {
    this.closed = true;
  }

  /** Publishes an event. @param settled told once the broker has it (M1), or of what keeps it from it */
  event(pattern: string, data: unknown, options: StreambackRequestOptions, settled: Settled, id: string): void {
    try {
      const valueJson = toJson(data, `The data of '${pattern}'`, this.options.json);
      if (this.closed) throw clientClosed();
      this.publishEvent(pattern, valueJson, options, settled, id);
    } catch (error) {
      this.publisher.refuse({ error }, settled);
    }
  }

  /** Publishes a request, and tells it what becomes of that. */
  request(request: PendingRequest, valueJson: string, options: StreambackRequestOptions): void {
    if (this.publisher.isConnected && this.inbox!.isOpen) return this.publishRequest(request, valueJson, options);
    const ready = this.publisher.holding(request.pattern, valueJson.length, () => this.connect());
    ready.catch((error: unknown) => request.fail(error));
    const publish = (): Promise<void> => acknowledgement((settled) => this.publishRequest(request, valueJson, options, settled));
    this.publisher.track(ready.then(() => (request.isOver ? undefined : publish())));
  }

  private publishEvent(pattern: string, valueJson: string, options: StreambackRequestOptions, settled: Settled, id: string): void {
    const { publisher } = this;
    const publish = (told: Settled): void =>
      publisher.publish(pattern, valueJson, options, { feedbackTopic: null, sourceGroup: this.options.group, id }, told);
    // Answers are for requests: an event does not wait for what they come by.
    if (publisher.isConnected) return publish(settled);
    // About as large as its data.
    const sending = publisher.holding(pattern, valueJson.length, () => publisher.connect()).then(() => acknowledgement(publish));
    publisher.track(sending);
    sending.then(
      () => settled(),
      (error: unknown) => settled({ error }),
    );
  }

  private publishRequest(request: PendingRequest, valueJson: string, options: StreambackRequestOptions, told?: Settled): void {
    const { id, pattern, deadline, upTo: credit } = request;
    const hasDeadline = deadline !== Infinity;
    request.wasSent = true;
    const head = {
      feedbackTopic: feedbackTopicOf(id),
      sourceGroup: this.options.group,
      id,
      inbox: request.feedback === 'inbox' ? this.inbox!.key : undefined,
      deadline: hasDeadline ? deadline : undefined,
      timeoutMs: hasDeadline ? deadline - this.clock.now() : undefined,
      credit,
    };
    this.publisher.publish(pattern, valueJson, options, head, (failure) => {
      if (failure) request.unpublished(failure.error);
      else request.acknowledged();
      told?.(failure);
    });
  }
}
