import { Controller, type INestApplication, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Ctx, EventPattern, MessagePattern, Payload } from '@nestjs/microservices';
import { lastValueFrom } from 'rxjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type DeadLetter,
  type DeadLetterOptions,
  listener,
  type MainStream,
  StreambackClient,
  type StreambackContext,
  StreambackDeadLetters,
  StreambackModule,
  StreambackRecordBuilder,
  StreambackServer,
} from '../../../lib';
import { encodeEnvelope } from '../../../lib/protocol/envelope';
import { eventually } from '../../support/eventually';
import { freshName } from '../../support/fresh-name';

interface Handled {
  readonly by: string;
  readonly id: string;
  readonly message: ReturnType<StreambackContext['getMessage']>;
  readonly remainingMs: number;
}

const SHARED = 'letters.shared';
/** What handlers have seen, and which ids fail. */
const handled: Handled[] = [];
const broken = new Set<string>();

function handle(by: string, data: { id: string } | null, context: StreambackContext): void {
  const id = data?.id ?? 'null';
  handled.push({ by, id, message: context.getMessage(), remainingMs: context.getRemainingMs() });
  if (broken.has(id.split('-')[0]!)) throw new Error(`${id} fails`);
}
const of = (id: string): Handled[] => handled.filter((each) => each.id === id);

@Controller()
class LettersController {
  @EventPattern<string>('letters.event')
  event(@Payload() data: { id: string } | null, @Ctx() context: StreambackContext): void {
    handle('event', data, context);
  }

  @MessagePattern('letters.request', listener({ deadLetterTopic: SHARED }))
  request(@Payload() data: { id: string }, @Ctx() context: StreambackContext): string {
    handle('request', data, context);
    return 'answered';
  }

  @EventPattern<string>('letters.request')
  beside(@Payload() data: { id: string }, @Ctx() context: StreambackContext): void {
    handle('beside', data, context);
  }

  @EventPattern<string>('letters.other', listener({ deadLetterTopic: SHARED }))
  other(@Payload() data: { id: string }, @Ctx() context: StreambackContext): void {
    handle('other', data, context);
  }
}

/** What a Nest app can do with what it has put aside, whatever the main stream is. */
export function deadLettersSuite(title: string, streams: () => string, open: () => MainStream): void {
  describe(title, () => {
    const group = freshName('letters');
    const topicOf = (pattern: string): string => `${group}.${pattern}`;
    let app: INestApplication;
    let client: StreambackClient;
    let deadLetters: StreambackDeadLetters;
    let main: MainStream;

    beforeAll(async () => {
      @Module({
        imports: [
          StreambackModule.forRoot({ group, streams: streams(), topicsPrefix: group, kafka: { partitions: 3 } }),
          StreambackModule.forRoot({ group: `${group}-second`, streams: streams(), topicsPrefix: group, connection: 'second' }),
        ],
        controllers: [LettersController],
      })
      class AppModule {}
      app = await NestFactory.create(AppModule, { logger: false });
      app.connectMicroservice({ strategy: app.get(StreambackServer) });
      await app.startAllMicroservices();
      await app.init();
      client = app.get(StreambackClient);
      deadLetters = app.get(StreambackDeadLetters);
      main = open();
      await main.connect();
    });
    afterAll(async () => {
      await app?.close();
      await main?.close();
    });

    const read = async (pattern: string, options?: DeadLetterOptions): Promise<DeadLetter[]> => {
      const letters: DeadLetter[] = [];
      for await (const letter of deadLetters.read(pattern, options)) letters.push(letter);
      return letters;
    };
    const idsOf = (letters: readonly DeadLetter[]): string[] => letters.map(({ data }) => (data as { id: string }).id).sort();
    /** Sends events that fail, and waits for their letters. */
    const fail = async (pattern: string, stem: string, count: number): Promise<string[]> => {
      broken.add(stem);
      const ids = Array.from({ length: count }, (_, n) => `${stem}-${n}`);
      await Promise.all(ids.map((id) => lastValueFrom(client.emit(pattern, new StreambackRecordBuilder({ id }).setKey(id).build()))));
      const filter = ({ data }: DeadLetter) => String((data as { id: string } | undefined)?.id).startsWith(`${stem}-`);
      await eventually('put aside', async () => (await read(pattern, { filter })).length === count);
      return ids.sort();
    };
    const mend = (stem: string): void => void broken.delete(stem);

    it('sends an event again as it was, and only once; reading moves nothing', async () => {
      broken.add('again');
      const bytes = Buffer.from([0, 255]);
      const value = encodeEnvelope('{"id":"again-0"}', { feedbackTopic: null, sourceGroup: 'web', id: freshName('id') });
      await main.publish({
        topic: topicOf('letters.event'),
        key: bytes,
        value,
        headers: [
          ['mine', bytes],
          ['mine', Buffer.alloc(0)],
        ],
      });
      await eventually('put aside', async () => (await read('letters.event')).length === 1);
      const [letter] = await read('letters.event');
      const [first] = of('again-0');
      expect(letter).toMatchObject({
        topic: topicOf('letters.event'),
        partition: first!.message.partition,
        offset: first!.message.offset,
        group,
        key: bytes,
        value,
        data: { id: 'again-0' },
        code: 'HANDLER_FAILED',
        message: expect.stringContaining('again-0 fails'),
        attempts: 1,
        replayed: 0,
      });
      expect(letter!.headers).toEqual([
        ['mine', bytes],
        ['mine', Buffer.alloc(0)],
      ]);
      expect(letter!.lastAt.getTime() - Date.now()).toBeLessThan(60_000);
      mend('again');
      expect(await deadLetters.replay('letters.event')).toEqual({ replayed: 1, skipped: 0 });
      await eventually('handled again', () => of('again-0').length === 2);
      const { key, value: again, headers } = of('again-0')[1]!.message;
      expect([key, again]).toEqual([bytes, value]);
      expect(headers).toEqual([
        ['mine', bytes],
        ['mine', Buffer.alloc(0)],
        ['streamback-replayed', Buffer.from('1')],
      ]);
      expect(await deadLetters.replay('letters.event')).toEqual({ replayed: 0, skipped: 0 });
      expect(await read('letters.event')).toEqual([]);
    });

    it('runs a request as an event, by the handler that answers, though its requester is gone and its deadline has passed', async () => {
      broken.add('late');
      const record = new StreambackRecordBuilder({ id: 'late-0' }).setTimeoutMs(3_000).build();
      await expect(lastValueFrom(client.send('letters.request', record))).rejects.toEqual({
        status: 'error',
        message: 'Internal server error',
      });
      await eventually('put aside', async () => (await read('letters.request')).length === 1);
      const deadline = (JSON.parse(String((await read('letters.request'))[0]!.value)) as { deadline: number }).deadline;
      await eventually('its deadline has passed, and what clocks may differ', () => Date.now() > deadline + 1_500);
      expect(await deadLetters.replay('letters.request')).toEqual({ replayed: 1, skipped: 0 });
      await eventually('put aside again', async () => (await read('letters.request'))[0]?.replayed === 1);
      mend('late');
      expect(await deadLetters.replay('letters.request')).toEqual({ replayed: 1, skipped: 0 });
      await eventually('handled', () => of('late-0').length === 3);
      expect(of('late-0').map(({ by }) => by)).toEqual(['request', 'request', 'request']);
      expect(of('late-0').slice(1).map(({ remainingMs }) => remainingMs)).toEqual([Infinity, Infinity]); // prettier-ignore
      expect(of('late-0')[2]!.message.headers).toEqual([['streamback-replayed', Buffer.from('2')]]);
      expect(await read('letters.request')).toEqual([]);
    });

    it('replays no more than limit, leaves out what the filter does, and goes on behind the last one it looked at', async () => {
      const ids = await fail('letters.event', 'many', 30);
      mend('many');
      const even = ({ data }: DeadLetter): boolean => Number((data as { id: string }).id.slice(5)) % 2 === 0;
      const first = await deadLetters.replay('letters.event', { limit: 5, filter: even });
      expect(first.replayed).toBe(5);
      const rest = await read('letters.event');
      expect(rest).toHaveLength(30 - 5 - first.skipped);
      const second = await deadLetters.replay('letters.event', { filter: async (letter) => even(letter) });
      expect([first.replayed + second.replayed, first.skipped + second.skipped]).toEqual([15, 15]);
      const twice = ids.filter((id) => Number(id.slice(5)) % 2 === 0);
      await eventually('handled again', () => twice.every((id) => of(id).length === 2));
      expect(ids.filter((id) => of(id).length === 1)).toHaveLength(15);
      expect(await read('letters.event')).toEqual([]);
    });

    it('reads and replays from the beginning where told, also what has been handled since', async () => {
      const before = handled.length;
      const all = await read('letters.event', { fromBeginning: true });
      expect(all.length).toBeGreaterThan(30);
      expect(await read('letters.event', { fromBeginning: true, limit: 7 })).toHaveLength(7);
      expect(await deadLetters.replay('letters.event', { fromBeginning: true })).toEqual({ replayed: all.length, skipped: 0 });
      await eventually('all are handled once more', () => handled.length === before + all.length);
    });

    it('a filter that throws ends the replay; what was sent before is not sent again', async () => {
      const ids = await fail('letters.event', 'stop', 10);
      mend('stop');
      let looked = 0;
      const filter = (): boolean => {
        if (++looked === 5) throw new TypeError('enough');
        return true;
      };
      await expect(deadLetters.replay('letters.event', { filter })).rejects.toThrow('enough');
      expect(await deadLetters.replay('letters.event')).toEqual({ replayed: 6, skipped: 0 });
      await eventually('all are handled again', () => ids.every((id) => of(id).length === 2));
    });

    it('two replays at once send each letter once', async () => {
      const ids = await fail('letters.event', 'race', 20);
      mend('race');
      const [one, other] = await Promise.all([
        deadLetters.replay('letters.event', { limit: 8 }),
        deadLetters.replay('letters.event', { limit: 8 }),
      ]);
      const { replayed } = await deadLetters.replay('letters.event');
      expect([one.replayed, other.replayed, replayed]).toEqual([8, 8, 4]);
      await eventually('all are handled again', () => ids.every((id) => of(id).length === 2));
    });

    it('patterns that share a dead-letter topic do not move behind the letters of one another', async () => {
      const [mine, others] = [await fail('letters.request', 'mine', 4), await fail('letters.other', 'others', 4)];
      [mend('mine'), mend('others')];
      expect(await deadLetters.replay('letters.other')).toEqual({ replayed: 4, skipped: 0 });
      expect(await deadLetters.replay('letters.request')).toEqual({ replayed: 4, skipped: 0 });
      await eventually('all are handled again', () => [...mine, ...others].every((id) => of(id).length === 2));
      expect(mine.map((id) => of(id)[1]!.by)).toEqual(mine.map(() => 'beside'));
    });

    it("finds a listener's dead-letter topic from another process only where told; undecodable ones are always in <topic>.dlt", async () => {
      await main.publish({ topic: topicOf('letters.other'), key: null, value: Buffer.from('{'), headers: [] });
      await eventually('put aside', async () => (await read('letters.other')).some(({ code }) => code === 'MALFORMED_MESSAGE'));
      const [letter] = await read('letters.other');
      expect([letter!.data, String(letter!.value)]).toEqual([undefined, '{']);
      const seen = await read('letters.other', { connection: 'second', deadLetterTopic: SHARED, fromBeginning: true });
      expect(seen).toEqual([]);
      expect(idsOf(await read('letters.other', { deadLetterTopic: SHARED, fromBeginning: true, filter: ({ data }) => data !== undefined })))
        .toEqual(['others-0', 'others-1', 'others-2', 'others-3']); // prettier-ignore
    });

    it('leaves alone what other groups put aside, what comes from elsewhere, and what is no letter', async () => {
      await deadLetters.replay('letters.event');
      const letter = (headers: Record<string, string>) =>
        main.publish({
          topic: `${topicOf('letters.event')}.dlt`,
          key: null,
          value: Buffer.from('{"id":"forged"}'),
          headers: Object.entries(headers).map(([name, text]) => [name, Buffer.from(text)]),
        });
      const whole = { 'streamback-code': 'HANDLER_FAILED', 'streamback-group': group, 'streamback-topic': topicOf('letters.event') };
      await letter({ ...whole, 'streamback-group': `${group}-second` });
      await letter({ ...whole, 'streamback-topic': topicOf('letters.other') });
      await letter({ ...whole, 'streamback-topic': 'secrets' });
      await letter({ 'streamback-code': 'HANDLER_FAILED' });
      await letter({});
      expect(await deadLetters.replay('letters.event')).toEqual({ replayed: 0, skipped: 0 });
      expect(await deadLetters.replay('letters.event', { connection: 'second' })).toEqual({ replayed: 1, skipped: 0 });
      await eventually('handled', () => of('forged').length === 1);
    });

    it('hostile headers do no harm', async () => {
      const before = of('hostile').length;
      const values = [
        '',
        '-1',
        '1e999',
        '9'.repeat(400),
        'NaN',
        '\u0000\r\n',
        '__proto__',
        '+275760-09-14T00:00:00.000Z',
        'x'.repeat(5_000),
      ];
      for (const text of values) {
        const names = ['code', 'message', 'attempts', 'first-at', 'last-at', 'partition', 'offset', 'replayed'];
        await main.publish({
          topic: `${topicOf('letters.event')}.dlt`,
          key: null,
          value: Buffer.from('{"id":"hostile"}'),
          headers: [
            ...names.map((name) => [`streamback-${name}`, Buffer.from(text)] as const),
            ['streamback-group', Buffer.from(group)],
            ['streamback-topic', Buffer.from(topicOf('letters.event'))],
          ],
        });
      }
      const letters = await read('letters.event');
      expect(letters).toHaveLength(values.length);
      for (const { attempts, replayed, partition, offset, firstAt, lastAt, code, message } of letters) {
        for (const number of [attempts, replayed, partition]) expect(number >= 0 && number <= 1_000_000).toBe(true);
        expect(offset).toMatch(/^\d{1,19}$/);
        for (const date of [firstAt, lastAt]) expect(Number.isNaN(date.getTime())).toBe(false);
        for (const text of [code, message]) expect(text.length).toBeLessThanOrEqual(1_000);
      }
      expect(await deadLetters.replay('letters.event')).toEqual({ replayed: values.length, skipped: 0 });
      await eventually('handled', () => of('hostile').length === before + values.length);
      for (const { message } of of('hostile')) {
        expect(message.headers.map(([name]) => name)).toEqual(['streamback-replayed']);
        expect(Number(message.headers[0]![1].toString())).toBeLessThanOrEqual(1_000_000);
      }
    });

    it.each<[string, DeadLetterOptions, object]>([
      ['a connection that nobody registers', { connection: 'nowhere' }, { code: 'UNKNOWN_CONNECTION' }],
      ['a limit of nothing', { limit: 0 }, { code: 'INVALID_OPTION', option: 'deadLetters.limit' }],
      ['a misspelt option', { limits: 1 } as object, { code: 'INVALID_OPTION', option: 'deadLetters.limits' }],
      ['a filter that is none', { filter: 'all' as never }, { code: 'INVALID_OPTION', option: 'deadLetters.filter' }],
    ])('refuses %s', async (_what, options, error) => {
      await expect(deadLetters.replay('letters.event', options)).rejects.toMatchObject(error);
      await expect(read('letters.event', options)).rejects.toMatchObject(error);
    });

    it('a pattern whose dead-letter topic was never written has none', async () => {
      expect(await deadLetters.replay('letters.never')).toEqual({ replayed: 0, skipped: 0 });
    });
  });
}
