import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { StreambackLaneError, StreambackPublishError } from '../../../lib/common/errors';
import { Consumer } from '../../../lib/consumer/consumer';
import { DEFAULT_LISTENER_OPTIONS } from '../../../lib/consumer/listener';
import type { Run } from '../../../lib/consumer/run';
import { FeedbackWriter } from '../../../lib/inbox/feedback-writer';
import { Inbox } from '../../../lib/inbox/inbox';
import { Producer } from '../../../lib/producer/producer';
import type { MainStreamMessage, MainStreamSubscribeOptions } from '../../../lib/streams/main-stream';
import { MemoryFeedbackStream } from '../../../lib/streams/memory/memory.feedback-stream';
import { MemoryMainStream } from '../../../lib/streams/memory/memory.main-stream';
import { eventually } from '../../support/eventually';
import { freshName } from '../../support/fresh-name';
import { RecordingLogger } from '../../support/recording-logger';

/** Subscribes to more than it is asked for. */
class WideMainStream extends MemoryMainStream {
  more: readonly string[] = [];

  override subscribe(options: MainStreamSubscribeOptions) {
    return super.subscribe({ ...options, topics: [...options.topics, ...this.more] });
  }
}

describe('a message that nothing listens to', () => {
  let main: WideMainStream;
  let feedback: MemoryFeedbackStream;
  let logger: RecordingLogger;
  let inboxes: Inbox[];
  let writer: FeedbackWriter;
  let producer: Producer;
  let consumer: Consumer;

  beforeEach(() => {
    const name = freshName('unheard');
    main = new WideMainStream(name);
    main.more = ['more', 'more.dlt'];
    feedback = new MemoryFeedbackStream(name);
    logger = new RecordingLogger();
    inboxes = [1, 2].map(() => new Inbox(feedback, { leaseMs: 5_000, ttlMs: 300_000, logger }));
    writer = new FeedbackWriter(feedback, 300_000, logger);
    producer = new Producer(
      main,
      { stream: feedback, inbox: inboxes[0]!, writer },
      { group: 'web', topicsPrefix: '', maxMessageBytes: 1e6, defaults: {}, leaseMs: 5_000, cancelTtlMs: 60_000 },
    );
  });
  afterEach(async () => {
    await consumer.close();
    producer.close();
    await Promise.all(inboxes.map((inbox) => inbox.close()));
    await writer.close();
    await Promise.all([main.close(), feedback.close()]);
  });

  async function serve(handle: (run: Run) => unknown = () => 'heard', withFeedback = true): Promise<void> {
    const listener = { pattern: 'work', topic: 'work', options: DEFAULT_LISTENER_OPTIONS, handle };
    consumer = new Consumer(main, withFeedback ? { stream: feedback, inbox: inboxes[1]!, writer } : undefined, [listener], {
      group: 'reports',
      maxInFlight: 100,
      maxAnswerBytes: 1e6,
      drainTimeoutMs: 100,
      leaseMs: 5_000,
      logger,
      isAnswer: () => false,
      errorValue: (error) => ({ status: 'error', message: String(error) }),
    });
    await consumer.start();
  }
  const settled = () => eventually('settled', async () => (await main.lag('reports', ['more'])).get('more') === 0);
  const letters = async (): Promise<MainStreamMessage[]> => {
    const seen: MainStreamMessage[] = [];
    const reader = await main.subscribe({
      group: freshName('letters'),
      topics: [],
      maxInFlight: 100,
      drainTimeoutMs: 0,
      onDelivery: (delivery) => (seen.push(delivery.message), delivery.settle()),
    });
    await eventually('read', () => seen.some(({ topic }) => topic === 'more.dlt'));
    await reader.close();
    return seen.filter(({ topic }) => topic.endsWith('.dlt'));
  };
  const codeOf = ({ headers }: MainStreamMessage) => headers.find(([name]) => name === 'streamback-code')?.[1].toString();

  it('a request is told so, and settled; what has a listener goes on', async () => {
    await serve();
    const failed = await producer
      .open('more', 1, {})
      .read()
      .catch((error: unknown) => error);
    expect(failed).toBeInstanceOf(StreambackLaneError);
    expect(failed).toMatchObject({ code: 'NO_LISTENER', retryable: false, message: expect.stringContaining("'more'") });
    expect(await producer.open('work', 1, {}).read()).toBe('heard');
    await settled();
  });

  it('an event, and what cannot be decoded, goes to the dead letters, whose own are left where they are; said once', async () => {
    await serve();
    for (let n = 0; n < 3; n++) await producer.emit('more', n, { key: 'k', headers: { n: String(n) } });
    await main.publish({ topic: 'more', key: null, value: Buffer.from([0xff]), headers: [] });
    await settled();
    const seen = await letters();
    expect(seen.map((message) => [message.topic, codeOf(message)])).toEqual(seen.map(() => ['more.dlt', 'NO_LISTENER']));
    expect(seen).toHaveLength(4);
    expect(seen[0]!.headers[0]).toEqual(['n', Buffer.from('0')]);
    await eventually('the dead letters are left', async () => (await main.lag('reports', ['more.dlt'])).get('more.dlt') === 0);
    expect(logger.lines.filter((line) => /^(error|warn)/.test(line))).toEqual([
      expect.stringContaining("Nothing listens to 'more' in the process"),
      expect.stringContaining("Nothing listens to 'more.dlt' in the process"),
    ]);
  });

  it('a request that cannot be answered goes to the dead letters, too', async () => {
    await serve(undefined, false);
    void producer.open('more', 1, {});
    await settled();
    expect((await letters()).map(codeOf)).toEqual(['NO_LISTENER']);
  });

  it.each([new StreambackLaneError('NO_LISTENER', 'nested'), new StreambackPublishError('TOO_LARGE', 'nested')])(
    'a handler cannot pose as us: %s, which a nested call gave it, arrives as what it threw',
    async (nested) => {
      await serve(async function* () {
        yield 1;
        throw nested;
      });
      const lane = producer.open('work', 1, {});
      await lane.read();
      const failed: unknown = await lane.read().catch((error: unknown) => error);
      expect(failed).toEqual({ status: 'error', message: String(nested) });
    },
  );

  it('an event whose handler throws one of our errors has failed as with any other', async () => {
    await serve(() => Promise.reject(new StreambackPublishError('TOO_LARGE', 'nested')));
    await producer.emit('work', 1);
    main.more = [...main.more, 'work.dlt'];
    await eventually('settled', async () => (await main.lag('reports', ['work'])).get('work') === 0);
    const seen: (string | undefined)[] = [];
    const reader = await main.subscribe({
      group: freshName('letters'),
      topics: [],
      maxInFlight: 100,
      drainTimeoutMs: 0,
      onDelivery: (delivery) => (seen.push(codeOf(delivery.message)), delivery.settle()),
    });
    await eventually('read', () => seen.includes('HANDLER_FAILED'));
    await reader.close();
  });
});
