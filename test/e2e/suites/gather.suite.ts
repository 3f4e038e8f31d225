import { Controller, type INestApplication, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Ctx, MessagePattern, Payload, RpcException } from '@nestjs/microservices';
import { firstValueFrom, lastValueFrom, toArray } from 'rxjs';
import { afterAll, beforeAll, describe, expect, expectTypeOf, it } from 'vitest';
import {
  type GatherResult,
  getStreambackServerToken,
  getStreambackTransportId,
  InjectStreamback,
  StreambackClient,
  StreambackContext,
  StreambackModule,
  StreambackRecordBuilder,
} from '../../../lib';
import { eventually } from '../../support/eventually';
import { freshName } from '../../support/fresh-name';

class Offer {
  by!: string;
}

interface Wanted {
  readonly id: string;
  readonly values?: number;
  /** Groups that never end, and those that fail. */
  readonly hang?: readonly string[];
  readonly fail?: readonly string[];
}

const begun: string[] = [];
const aborted: string[] = [];

async function* offers(by: string, { id, values = 1, hang = [], fail = [] }: Wanted, context: StreambackContext): AsyncGenerator<unknown> {
  begun.push(`${by} ${id}`);
  context.signal.addEventListener('abort', () => aborted.push(`${by} ${id} ${(context.signal.reason as { code: string }).code}`));
  for (let n = 0; n < values; n++) yield { by, n };
  if (fail.includes(by)) throw new RpcException(`${by} has none`);
  if (hang.includes(by)) await new Promise((resolve) => context.signal.addEventListener('abort', resolve));
}

@Controller()
class OffersController {
  @MessagePattern('gather.offers', getStreambackTransportId('stock'))
  stock(@Payload() data: Wanted, @Ctx() context: StreambackContext): AsyncGenerator<unknown> {
    return offers('stock', data, context);
  }

  @MessagePattern('gather.offers', getStreambackTransportId('prices'))
  prices(@Payload() data: Wanted, @Ctx() context: StreambackContext): AsyncGenerator<unknown> {
    return offers('prices', data, context);
  }

  @MessagePattern('gather.offers', getStreambackTransportId('ratings'))
  ratings(@Payload() data: Wanted, @Ctx() context: StreambackContext): AsyncGenerator<unknown> {
    return offers('ratings', data, context);
  }
}

class Asking {
  constructor(@InjectStreamback('web') readonly client: StreambackClient) {}
}

const GROUPS = ['stock', 'prices', 'ratings'];

/** `client.gather()` over several groups on one topic, whatever the streams are. */
export function gatherSuite(title: string, streams: () => string): void {
  describe(title, () => {
    const prefix = freshName('gather');
    const group = (name: string): string => `${prefix}-${name}`;
    let app: INestApplication;
    let client: StreambackClient;

    beforeAll(async () => {
      const connections = [...GROUPS, 'web'].map((name) =>
        StreambackModule.forRoot({
          connection: name,
          group: group(name),
          streams: streams(),
          topicsPrefix: prefix,
          kafka: { partitions: 1, commitIntervalMs: 100 },
        }),
      );
      @Module({ imports: connections, controllers: [OffersController], providers: [Asking] })
      class AppModule {}
      app = await NestFactory.create(AppModule, { logger: false });
      for (const name of GROUPS) app.connectMicroservice({ strategy: app.get(getStreambackServerToken(name)) });
      await app.startAllMicroservices();
      await app.init();
      client = app.get(Asking).client;
    });
    afterAll(async () => {
      await app?.close();
    });

    const byGroup = ({ answers }: GatherResult) =>
      Object.fromEntries(
        answers.map(({ group: name, values, error }) => [name!.slice(prefix.length + 1), error === undefined ? values : { values, error }]),
      );

    it('gives what each group has answered, once', async () => {
      const gathered = client.gather('gather.offers', { id: 'all' }, { groups: GROUPS.map(group), timeoutMs: 15_000 });
      const results = await lastValueFrom(gathered.pipe(toArray()));
      expect(results).toHaveLength(1);
      expect(results[0]).toMatchObject({ missing: [], complete: true });
      expect(byGroup(results[0]!)).toEqual(Object.fromEntries(GROUPS.map((by) => [by, [{ by, n: 0 }]])));
    });

    it('F1, F5: streams of several groups are told apart, each whole and in order, far beyond the first credit', async () => {
      const record = new StreambackRecordBuilder({ id: 'streams', values: 1_500 }).setCredit(16).build();
      const result = await firstValueFrom(client.gather('gather.offers', record, { groups: GROUPS.map(group), timeoutMs: 20_000 }));
      expect(result.complete).toBe(true);
      for (const by of GROUPS) expect(byGroup(result)[by]).toEqual(Array.from({ length: 1_500 }, (_, n) => ({ by, n })));
    });

    it('the error of one group is its own', async () => {
      const result = await firstValueFrom(
        client.gather('gather.offers', { id: 'failing', fail: ['prices'] }, { groups: GROUPS.map(group), timeoutMs: 15_000 }),
      );
      expect(result).toMatchObject({ missing: [], complete: true });
      expect(byGroup(result)).toEqual({
        stock: [{ by: 'stock', n: 0 }],
        prices: { values: [{ by: 'prices', n: 0 }], error: { status: 'error', message: 'prices has none' } },
        ratings: [{ by: 'ratings', n: 0 }],
      });
    });

    it('gives what there is when the time is up, and stops what goes on', async () => {
      const began = Date.now();
      const groups = [...GROUPS, 'nobody'].map(group);
      const result = await firstValueFrom(client.gather('gather.offers', { id: 'late', hang: ['ratings'] }, { groups, timeoutMs: 1_500 }));
      expect(Date.now() - began).toBeLessThan(6_000);
      expect(result).toMatchObject({ missing: [group('ratings'), group('nobody')], complete: false });
      expect(byGroup(result)).toEqual({
        stock: [{ by: 'stock', n: 0 }],
        prices: [{ by: 'prices', n: 0 }],
        ratings: { values: [{ by: 'ratings', n: 0 }], error: expect.objectContaining({ code: 'DEADLINE_EXCEEDED' }) },
      });
      await eventually('stopped', () => aborted.some((each) => each.startsWith('ratings late')));
      expect(aborted.filter((each) => each.includes(' late '))).toHaveLength(1);
    });

    it('waits for as many as it is told, whichever they are, and stops the others', async () => {
      const wanted = { id: 'count', hang: ['stock'] };
      const result = await firstValueFrom(client.gather('gather.offers', wanted, { count: 2, timeoutMs: 15_000 }));
      expect(result).toMatchObject({ missing: [], complete: true });
      expect(Object.keys(byGroup(result)).toSorted()).toEqual(['prices', 'ratings']);
      await eventually('stopped, or never begun', () => !begun.includes('stock count') || aborted.includes('stock count CANCELLED'));
    });

    it('drops what groups answer that were not named, and stops them', async () => {
      const wanted = { id: 'named', values: 10, hang: ['stock', 'ratings'] };
      const result = await firstValueFrom(client.gather('gather.offers', wanted, { groups: [group('prices')], timeoutMs: 15_000 }));
      expect(Object.keys(byGroup(result))).toEqual(['prices']);
      for (const other of ['stock', 'ratings'])
        await eventually(
          'stopped, or never begun',
          () => !begun.includes(`${other} named`) || aborted.includes(`${other} named CANCELLED`),
        );
    });

    it('F6: unsubscribing stops all of them', async () => {
      const subscription = client
        .gather('gather.offers', { id: 'left', hang: GROUPS }, { groups: GROUPS.map(group), timeoutMs: 60_000 })
        .subscribe(() => expect.unreachable('nothing has ended'));
      await eventually('begun', () => GROUPS.every((by) => begun.includes(`${by} left`)));
      await new Promise((resolve) => setTimeout(resolve, 100));
      subscription.unsubscribe();
      await eventually('stopped', () => GROUPS.every((by) => aborted.includes(`${by} left CANCELLED`)));
    });

    it('maps what was answered, and types it', async () => {
      const record = new StreambackRecordBuilder({ id: 'mapped' }).setResponseType(Offer).build();
      const gathered = client.gather('gather.offers', record, { groups: GROUPS.map(group), timeoutMs: 15_000 });
      const result = await firstValueFrom(gathered);
      expectTypeOf(result).toEqualTypeOf<GatherResult<Offer>>();
      expect(result.answers.flatMap(({ values }) => values).every((value) => value instanceof Offer)).toBe(true);
    });

    it.each([
      [{ timeoutMs: 1 }, "'gather' waits for 'groups' or for a 'count' of them"],
      [{ groups: ['a'], count: 1, timeoutMs: 1 }, "'gather' waits for 'groups' or for a 'count' of them"],
      [{ groups: ['a'] }, "'gather.timeoutMs' is required"],
      [{ groups: [], timeoutMs: 1 }, "'gather.groups' must be an array of names, each once"],
      [{ groups: ['a', 'a'], timeoutMs: 1 }, "'gather.groups' must be an array of names, each once"],
      [{ count: 0, timeoutMs: 1 }, "'gather.count' must be a whole number from 1 to 1000, not 0"],
      [{ groups: ['a'], timeout: 1 }, "Did you mean 'gather.timeoutMs'?"],
    ])('refuses %j', (options, text) => {
      expect(() => client.gather('gather.offers', {}, options as never)).toThrow(text);
    });

    it('errs where the request cannot be sent', async () => {
      const cyclic: Record<string, unknown> = {};
      cyclic.self = cyclic;
      await expect(firstValueFrom(client.gather('gather.offers', cyclic, { count: 1, timeoutMs: 5_000 }))).rejects.toMatchObject({
        code: 'NOT_SERIALIZABLE',
      });
    });
  });
}
