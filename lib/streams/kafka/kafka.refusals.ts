import type { StreambackLogger } from '../../common/logger';
import { classifyFailure, toConnectionError } from './kafka.errors';

/** A topic that may not be read is left alone for so long, in ms. */
const TRY_AGAIN_MS = 3_000;

export interface FetchRequest {
  readonly maxWaitTime: number;
  readonly topics: readonly { readonly topic: string }[];
}

export type Fetch = (request: FetchRequest) => Promise<{ readonly responses: readonly unknown[] }>;

/** A topic that may not be read fails the whole fetch: then each is fetched alone. `note` hears how each fared. */
export async function fetchApart(fetch: Fetch, request: FetchRequest, note: (topic: string, error?: unknown) => void): ReturnType<Fetch> {
  try {
    const answer = await fetch(request);
    for (const { topic } of request.topics) note(topic);
    return answer;
  } catch (error) {
    if (classifyFailure(error) !== 'authorization') throw error;
    const responses: unknown[] = [];
    for (const each of request.topics) {
      try {
        const alone = request.topics.length === 1 ? Promise.reject(error as Error) : fetch({ ...request, maxWaitTime: 0, topics: [each] });
        responses.push(...(await alone).responses);
        note(each.topic);
      } catch (reason) {
        if (classifyFailure(reason) !== 'authorization') throw reason;
        note(each.topic, reason);
      }
    }
    return { responses };
  }
}

export interface KafkaRefusalsOptions {
  readonly group: string;
  /** Starts or ends the fetching of a topic. */
  readonly setReading: (topic: string, reading: boolean) => void;
  readonly logger: StreambackLogger;
}

/** The topics that may not be read at the moment: said once, and tried again until they may. */
export class KafkaRefusals {
  private readonly timers = new Map<string, NodeJS.Timeout>();
  private ended = false;

  constructor(private readonly options: KafkaRefusalsOptions) {}

  /** @param error `undefined`: it was read */
  note(topic: string, error?: unknown): void {
    const { group, setReading, logger } = this.options;
    if (this.ended) return;
    const timer = this.timers.get(topic);
    if (error === undefined) {
      if (!timer) return;
      this.timers.delete(topic);
      clearTimeout(timer);
      logger.log(`Reading topic '${topic}' goes on`);
      return;
    }
    const failure = toConnectionError(error, `Reading topic '${topic}' as group '${group}'`);
    if (timer) logger.debug(failure.message);
    else logger.error(`${failure.message}; other topics are read on, and it is tried again`);
    clearTimeout(timer);
    this.timers.set(
      topic,
      setTimeout(() => setReading(topic, true), TRY_AGAIN_MS),
    );
    setReading(topic, false);
  }

  /** Tries no more. */
  end(): void {
    this.ended = true;
    for (const timer of this.timers.values()) clearTimeout(timer);
    this.timers.clear();
  }
}
