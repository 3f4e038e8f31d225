import { createHash } from 'node:crypto';
import { StreambackConfigError } from '../common/errors';

const MAX_TOPIC_LENGTH = 249;
const HASH_LENGTH = 32;
const LEGAL_TOPIC = /^(?!\.{1,2}$)[a-zA-Z0-9._-]+$/;
const DEAD_LETTER_SUFFIX = '.dlt';

/** What the topics of patterns that are no legal topic names begin with; no plain pattern may. */
export const ESCAPED_PREFIX = 'streamback.pattern.';

/**
 * The topic of a pattern: a legal topic name is the topic, unchanged, as in Python; any other pattern is escaped behind
 * {@link ESCAPED_PREFIX}, byte by byte, so that two patterns never meet in one topic.
 * @param pattern as Nest's `normalizePattern` gives it: a string, or an object's sorted JSON
 * @param prefix the connection's `topicsPrefix`; a pattern that already begins with it and a dot is not prefixed again
 * @throws StreambackConfigError INVALID_PATTERN for an empty pattern and for reserved names
 */
export function topicOf(pattern: string, prefix = ''): string {
  if (pattern === '') throw new StreambackConfigError('INVALID_PATTERN', 'A pattern must not be empty', { remedy: 'Give it a name.' });
  if (isDeadLetterTopic(pattern)) {
    throw new StreambackConfigError('INVALID_PATTERN', `The pattern '${pattern}' ends in '.dlt', which is kept for dead letters`, {
      remedy: 'Choose another name.',
    });
  }
  if (/\p{Surrogate}/u.test(pattern))
    throw new StreambackConfigError('INVALID_PATTERN', `The pattern '${pattern}' is not well-formed Unicode`);
  const isPrefixed = prefix !== '' && pattern.startsWith(`${prefix}.`);
  if (pattern.startsWith(ESCAPED_PREFIX, isPrefixed ? prefix.length + 1 : 0)) {
    throw new StreambackConfigError(
      'INVALID_PATTERN',
      `The pattern '${pattern}' starts with '${ESCAPED_PREFIX}', which is kept for escaped patterns`,
    );
  }
  const head = prefix === '' || isPrefixed ? '' : `${prefix}.`;
  const plain = head + pattern;
  if (LEGAL_TOPIC.test(pattern) && plain.length <= MAX_TOPIC_LENGTH) return plain;
  return bounded(head + ESCAPED_PREFIX + escape(pattern), MAX_TOPIC_LENGTH);
}

/** Whether a topic, or a pattern, is named as those of dead letters are. */
export const isDeadLetterTopic = (topic: string): boolean => topic.endsWith(DEAD_LETTER_SUFFIX);

/** The topic of a topic's dead letters. */
export function deadLetterTopicOf(topic: string): string {
  return bounded(topic, MAX_TOPIC_LENGTH - DEAD_LETTER_SUFFIX.length) + DEAD_LETTER_SUFFIX;
}

// '-' is the escape character because Kafka takes topics that differ only in '.' and '_' for one.
function escape(pattern: string): string {
  let escaped = '';
  for (const byte of Buffer.from(pattern, 'utf8')) {
    const character = String.fromCharCode(byte);
    escaped += /[a-zA-Z0-9._]/.test(character) ? character : `-${byte.toString(16).padStart(2, '0')}`;
  }
  return escaped;
}

function bounded(topic: string, limit: number): string {
  if (topic.length <= limit) return topic;
  const hash = createHash('sha256').update(topic).digest('hex').slice(0, HASH_LENGTH);
  return `${topic.slice(0, limit - HASH_LENGTH - 1)}-${hash}`;
}
