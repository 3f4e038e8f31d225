import { backoffDelayMs } from '../common/backoff';
import { StreambackConnectionError, StreambackLaneError, StreambackMessageError } from '../common/errors';
import type { StreambackLogger } from '../common/logger';
import { Delay } from '../common/waiting';
import { decodeControl, type ControlMessage } from '../protocol/control-message';
import { decodeFrame, type Frame } from '../protocol/frame';
import { textOf, type JsonForm } from '../protocol/json';
import { newInbox } from '../protocol/keys';
import type { FeedbackStream, InboxField, InboxItem, InboxReader } from '../streams/feedback-stream';

/** Who takes the control that arrives, and hears that what was sent to the inbox by its last name does not. */
export interface ControlReceivers {
  onControl(message: ControlMessage): void;
  onLost(): void;
}

/** Who takes what arrives. */
export interface InboxReceivers {
  /** A frame, for one of this process's lanes. */
  onFrame(frame: Frame): void;
  /** The inbox is gone with all that was in it; a new one is made for what comes. */
  onLost(error: StreambackLaneError): void;
}

export interface InboxOptions {
  readonly leaseMs: number;
  readonly ttlMs: number;
  readonly logger: StreambackLogger;
  /** How frames are read. @default plain JSON */
  readonly json?: JsonForm;
}

const REOPEN = { delayMs: 200, factor: 2, maxDelayMs: 5_000, jitter: 0.2 };

/** The one feedback stream that a connection reads: frames for its lanes, control for its handlers. */
export class Inbox {
  private currentKey = newInbox();
  private opening?: Promise<void>;
  private reader?: InboxReader;
  private closed = false;
  private unreadable = 0;
  private readonly reopenDelay = new Delay();
  private readonly receivers: InboxReceivers[] = [];
  private readonly controlReceivers: ControlReceivers[] = [];

  constructor(
    private readonly feedback: FeedbackStream,
    private readonly options: InboxOptions,
  ) {}

  /** Its key: what requests and frames name. Another one after a loss. */
  get key(): string {
    return this.currentKey;
  }

  /** Whether what is sent to {@link key} arrives now. */
  get isOpen(): boolean {
    return this.reader !== undefined;
  }

  receive(receivers: InboxReceivers): void {
    this.receivers.push(receivers);
  }

  receiveControl(receivers: ControlReceivers): void {
    this.controlReceivers.push(receivers);
  }

  /** Creates and reads the inbox, once; a failed attempt may be repeated. @throws StreambackConnectionError */
  open(): Promise<void> {
    this.opening ??= this.openReader().catch((error: unknown) => {
      this.opening = undefined;
      throw error;
    });
    return this.opening;
  }

  async close(): Promise<void> {
    this.closed = true;
    this.reopenDelay.end();
    // An opening under way is not waited for, as it may wait for a server that is away: it is undone when it succeeds.
    this.opening?.then(
      () => this.reader?.close(),
      () => undefined,
    );
    const { reader } = this;
    this.reader = undefined;
    await reader?.close();
  }

  private async openReader(): Promise<void> {
    if (this.closed) throw new StreambackConnectionError('CLOSED', 'The connection is closed');
    await this.feedback.connect();
    const inbox = this.currentKey;
    const reader = await this.feedback.openReader({
      inbox,
      ttlMs: this.options.ttlMs,
      leaseMs: this.options.leaseMs,
      onItems: this.onItems,
      onLost: () => this.onLost(inbox),
    });
    // It may be lost already: then another one is the inbox.
    if (this.closed || inbox !== this.currentKey) await reader.close();
    else this.reader = reader;
  }

  private onLost(inbox: string): void {
    if (this.closed || inbox !== this.currentKey) return;
    this.reader = undefined;
    this.opening = undefined;
    this.currentKey = newInbox();
    this.options.logger.error('The inbox is gone with the answers in it: Redis was emptied, evicted it or failed over. Making a new one.');
    const error = new StreambackLaneError('INBOX_LOST', 'The inbox is gone with the answers in it');
    for (const receiver of this.receivers) receiver.onLost(error);
    for (const receiver of this.controlReceivers) receiver.onLost();
    void this.reopen();
  }

  /** Consumers need an inbox for control even when nobody sends. Never rejects. */
  private async reopen(): Promise<void> {
    for (let attempt = 1; !this.closed; attempt++) {
      try {
        return await this.open();
      } catch (error) {
        if (attempt === 1) this.options.logger.error(`The new inbox could not be made, trying again: ${String(error)}`);
      }
      await this.reopenDelay.wait(backoffDelayMs(attempt, REOPEN));
    }
  }

  private readonly onItems = (items: readonly InboxItem[]): void => {
    for (const { field, value } of items) {
      try {
        // Who has written one line that is none has written the others as well: a megabyte of them must not be gone through.
        for (const line of textOf(value).split('\n')) if (!this.onLine(field, line)) break;
      } catch (error) {
        this.onUnreadable(error);
      }
    }
  };

  /** @returns whether it could be read */
  private onLine(field: InboxField, line: string): boolean {
    try {
      if (field === 'frame') {
        const frame = decodeFrame(line, this.options.json);
        for (const receiver of this.receivers) receiver.onFrame(frame);
      } else {
        const message = decodeControl(line);
        for (const receiver of this.controlReceivers) receiver.onControl(message);
      }
      return true;
    } catch (error) {
      this.onUnreadable(error);
      return !(error instanceof StreambackMessageError);
    }
  }

  /** Loud once and then at each power of ten: whoever writes garbage must not be able to fill the log. */
  private onUnreadable(error: unknown): void {
    this.unreadable += 1;
    if (!Number.isInteger(Math.log10(this.unreadable))) return;
    this.options.logger.error(`The inbox got something unreadable (${this.unreadable} so far), dropped: ${String(error)}`);
  }
}
