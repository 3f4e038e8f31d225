import { aBoolean, aCount, aName, checkOptions, type OptionRule, type OptionRules } from '../common/option-rules';
import { StreambackConfigError } from '../common/errors';
import type { DeadLetter } from '../consumer/dead-letter';
import {
  readDeadLetters,
  replayDeadLetters,
  type DeadLetterSelection,
  type ReplayResult,
  type ScannableStream,
} from '../consumer/dead-letter-replay';
import { deadLetterTopicOf, topicOf } from '../protocol/topic-name';
import { DEFAULT_CONNECTION } from '../streamback.tokens';
import type { StreambackConnection } from './connection';

/** Which dead letters of a pattern are looked at. */
export interface DeadLetterOptions {
  /** Whether a letter is meant; what it throws ends the whole. @default all are */
  readonly filter?: ((letter: DeadLetter) => boolean | Promise<boolean>) | undefined;
  /** Letters replayed, or read, at most; those that the filter leaves out do not count. @default Infinity */
  readonly limit?: number | undefined;
  /** Begin with the earliest letter there is, not behind those of the last replay. @default false */
  readonly fromBeginning?: boolean | undefined;
  /** The connection's name. @default 'default' */
  readonly connection?: string | undefined;
  /**
   * The listener's own `deadLetterTopic`, named as there; looked at besides `<topic>.dlt`.
   * @default what the listener says, where this process has it
   */
  readonly deadLetterTopic?: string | undefined;
}

const aFilter: OptionRule = (value) => (typeof value === 'function' ? undefined : 'a function of a letter');
const aLimit: OptionRule = (value, path) => (value === Infinity ? undefined : aCount(1)(value, path));
const RULES: OptionRules<DeadLetterOptions> = {
  filter: aFilter,
  limit: aLimit,
  fromBeginning: aBoolean,
  connection: aName,
  deadLetterTopic: aName,
};

/** Reads and replays what this app's groups have put aside. Exists once, and covers every connection. */
export class StreambackDeadLetters {
  /** The last replay of each topic: two at once would send the same letters. */
  private readonly underWay = new Map<string, Promise<unknown>>();

  /** @param connections by name, asked anew each time */
  constructor(private readonly connections: () => ReadonlyMap<string, StreambackConnection>) {}

  /**
   * Sends dead letters of a pattern again, to the pattern's topic, as they were. It looks at those that are there when it is called,
   * in Kafka group `<group>.replay`, and moves on behind all of them, also those that the filter leaves out.
   * @throws StreambackConfigError UNKNOWN_CONNECTION, MISSING_CAPABILITY, INVALID_OPTION, INVALID_PATTERN
   * @throws StreambackConnectionError, StreambackPublishError what could not be sent, and what comes after it, is there the next time
   */
  async replay(pattern: string, options: DeadLetterOptions = {}): Promise<ReplayResult> {
    const { main, selection, name } = this.select(pattern, options);
    const key = `${name} ${selection.topic}`;
    const before = this.underWay.get(key) ?? Promise.resolve();
    const replay = before.catch(() => undefined).then(() => replayDeadLetters(main, selection));
    this.underWay.set(key, replay);
    try {
      return await replay;
    } finally {
      if (this.underWay.get(key) === replay) this.underWay.delete(key);
    }
  }

  /**
   * The dead letters that {@link replay} would send, without moving on.
   * @throws as {@link replay}
   */
  read(pattern: string, options: DeadLetterOptions = {}): AsyncIterable<DeadLetter> {
    const { main, selection } = this.select(pattern, options);
    return readDeadLetters(main, selection);
  }

  private select(
    pattern: string,
    options: DeadLetterOptions,
  ): { readonly main: ScannableStream; readonly selection: DeadLetterSelection; readonly name: string } {
    checkOptions<DeadLetterOptions>(options, RULES, 'deadLetters');
    const { filter = () => true, limit = Infinity, fromBeginning = false, connection: name = DEFAULT_CONNECTION } = options;
    const connection = this.connection(name);
    const { topicsPrefix, group } = connection.options;
    const topic = topicOf(pattern, topicsPrefix);
    const replayGroup = `${group}.replay`;
    const sources = [{ topic: deadLetterTopicOf(topic), group: replayGroup }];
    const own =
      options.deadLetterTopic === undefined ? connection.deadLetterTopicOf(topic) : topicOf(options.deadLetterTopic, topicsPrefix);
    // Several patterns may share a topic of their own naming: each has its own place there, or one would move behind the others' letters.
    if (own !== undefined) sources.push({ topic: own, group: `${replayGroup}.${topic}` });
    return { main: scannable(connection), selection: { topic, group, sources, filter, limit, fromBeginning }, name };
  }

  private connection(name: string): StreambackConnection {
    const connection = this.connections().get(name);
    if (connection) return connection;
    throw new StreambackConfigError('UNKNOWN_CONNECTION', `There is no connection '${name}'`);
  }
}

function scannable({ main }: StreambackConnection): ScannableStream {
  if (main.scan) return main as ScannableStream;
  throw new StreambackConfigError(
    'MISSING_CAPABILITY',
    `The main stream '${main.name}' cannot be scanned, so its dead letters cannot be read`,
  );
}
