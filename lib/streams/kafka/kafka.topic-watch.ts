import type { StreambackConnectionError } from '../../common/errors';
import type { StreambackLogger } from '../../common/logger';
import { Delay } from '../../common/waiting';
import type { KafkaTopics } from './kafka.topics';

/** Between looks for topics that cannot be read, in ms. */
const LOOK_AGAIN_MS = 3_000;
/** They concern a topic; any other failure concerns all. */
const OF_ONE_TOPIC: ReadonlySet<string> = new Set(['UNKNOWN_TOPIC', 'NOT_AUTHORIZED']);

export interface TopicWatchOptions {
  readonly topics: readonly string[];
  readonly admin: KafkaTopics;
  readonly logger: StreambackLogger;
  /** It was deleted: what is known of its partitions does not hold for one of the same name. */
  readonly onGone: (topic: string) => void;
}

/**
 * Which topics of a running subscription can be read. kafkajs reads none where one is missing or refused: that one is left out, and
 * looked for until it is back.
 */
export class TopicWatch {
  private readonly absent = new Set<string>();
  private delay = new Delay();

  constructor(private readonly options: TopicWatchOptions) {}

  /** Those that can be read now; what is missing is created where that is wanted. @throws StreambackConnectionError where there is none */
  async readable(): Promise<string[]> {
    const failures = await Promise.all(this.options.topics.map((topic) => this.look(topic)));
    const readable = this.options.topics.filter((_topic, index) => failures[index] === undefined);
    if (readable.length === 0) throw failures[0]!;
    return readable;
  }

  /** Resolves when a topic that could not be read can be; not before {@link stop} where there is none. */
  async back(): Promise<void> {
    const delay = (this.delay = new Delay());
    while (delay === this.delay) {
      await delay.wait(LOOK_AGAIN_MS);
      for (const topic of this.absent) {
        const found = await this.options.admin.ensure([topic], 0).then(
          () => true,
          () => false,
        );
        if (found && delay === this.delay) return;
      }
    }
    await new Promise(() => undefined);
  }

  /** Looks no more, until {@link back} is called again. */
  stop(): void {
    this.delay.end();
    this.delay = new Delay();
  }

  private async look(topic: string): Promise<StreambackConnectionError | undefined> {
    const { admin, logger, onGone } = this.options;
    try {
      if (await admin.isMissing(topic)) {
        onGone(topic);
        if (!this.absent.has(topic)) logger.warn(`Topic '${topic}' was deleted`);
        this.absent.add(topic);
      }
      await admin.ensure([topic]);
    } catch (error) {
      const failure = error as StreambackConnectionError;
      if (!OF_ONE_TOPIC.has(failure.code)) throw failure;
      if (!this.absent.has(topic)) logger.error(`${failure.message}; other topics are read on`);
      this.absent.add(topic);
      return failure;
    }
    if (this.absent.delete(topic)) logger.log(`Topic '${topic}' is read again`);
    return undefined;
  }
}
