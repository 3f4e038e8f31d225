import { StreambackLaneError } from '../common/errors';
import { decodeFrame, type Frame } from '../protocol/frame';
import type { JsonForm } from '../protocol/json';
import type { FeedbackStream } from '../streams/feedback-stream';
import type { PendingRequest } from './pending-request';

type Reader = Awaited<ReturnType<NonNullable<FeedbackStream['openListReader']>>>;

/** Reads the feedback lists of requests whose answers travel so, each until its request is over. */
export class ListReading {
  /** Requests that are read; without a reader while it is being opened. */
  private readonly readers = new Map<PendingRequest, Reader | undefined>();

  constructor(
    private readonly feedback: FeedbackStream,
    private readonly json: JsonForm | undefined,
  ) {}

  /** Gives a request the frames in its list, from the oldest on. What goes wrong ends the request. */
  begin(request: PendingRequest): void {
    if (this.readers.has(request)) return;
    this.readers.set(request, undefined);
    this.open(request).catch((error: unknown) => {
      this.readers.delete(request);
      request.fail(error);
    });
  }

  /** The request is over. */
  end(request: PendingRequest): void {
    const reader = this.readers.get(request);
    this.readers.delete(request);
    void close(reader);
  }

  private async open(request: PendingRequest): Promise<void> {
    const reader = await this.feedback.openListReader!({
      feedbackTopic: request.feedbackTopic!,
      onFrames: (frames) => this.onFrames(request, frames),
      onUncertain: () => request.onUncertain(),
    });
    if (this.readers.has(request)) this.readers.set(request, reader);
    else await close(reader);
  }

  private onFrames(request: PendingRequest, frames: readonly Buffer[]): void {
    for (const bytes of frames) {
      if (request.isOver) return;
      const frame = this.decode(bytes);
      if (!frame)
        return request.fail(new StreambackLaneError('MALFORMED_FRAME', `The list of '${request.pattern}' holds what is no frame`));
      if (frame.id === undefined || frame.id === request.id) request.onFrame(frame);
    }
    // Python's services write as fast as they can: what is not read soon is better kept by Redis.
    if (request.isFull && !request.isOver) {
      request.pause();
      this.end(request);
    }
  }

  private decode(bytes: Buffer): Frame | undefined {
    try {
      return decodeFrame(bytes, this.json);
    } catch {
      return undefined;
    }
  }
}

/** Never rejects: a list that is still popped harms nobody, its request is over. */
async function close(reader: Reader | undefined): Promise<void> {
  await reader?.close().catch(() => undefined);
}
