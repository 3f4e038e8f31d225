import { Controller, type INestApplication, Module, ValidationPipe } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { MessagePattern, Payload, RpcException } from '@nestjs/microservices';
import { Type } from 'class-transformer';
import { IsInt, IsString, Min } from 'class-validator';
import { lastValueFrom, type Observable, toArray } from 'rxjs';
import { afterAll, beforeAll, describe, expect, expectTypeOf, it } from 'vitest';
import { type Lane, StreambackClient, StreambackModule, StreambackRecord, StreambackRecordBuilder, StreambackServer } from '../../../lib';
import { freshName } from '../../support/fresh-name';

class Order {
  @IsString()
  item!: string;

  @IsInt()
  @Min(1)
  count!: number;

  get isLarge(): boolean {
    return this.count >= 100;
  }
}

class Line {
  label!: string;

  shout(): string {
    return this.label.toUpperCase();
  }
}

class Receipt {
  id!: number;

  @Type(() => Date)
  at!: Date;

  @Type(() => Line)
  lines!: Line[];
}

const receipt = (id: number) => ({ id, at: '2026-01-02T03:04:05.000Z', lines: [{ label: `line ${id}` }] });

@Controller()
class OrdersController {
  @MessagePattern('mapping.order')
  order(@Payload() order: Order): unknown {
    return [order instanceof Order, order.isLarge];
  }

  @MessagePattern('mapping.receipts')
  *receipts(@Payload('count') count: number): Generator<unknown> {
    for (let id = 1; id <= count; id++) yield receipt(id);
  }

  @MessagePattern('mapping.plain')
  *plain(): Generator<unknown> {
    yield* [null, 1, 'text', [receipt(1), receipt(2)]];
  }

  @MessagePattern('mapping.arguments')
  divide(@Payload('dividend') dividend: number, @Payload('divisor') divisor: number, @Payload('unknown') unknown: unknown): unknown {
    return { quotient: dividend / divisor, unknown: unknown === undefined };
  }
}

/** DTOs in and mapped answers out, whatever the streams are. */
export function mappingSuite(title: string, streams: () => string): void {
  describe(title, () => {
    let app: INestApplication;
    let client: StreambackClient;
    const group = freshName('mapping');

    beforeAll(async () => {
      @Module({
        imports: [StreambackModule.forRoot({ group, streams: streams(), topicsPrefix: group, kafka: { partitions: 1 } })],
        controllers: [OrdersController],
      })
      class AppModule {}
      app = await NestFactory.create(AppModule, { logger: false });
      const exceptionFactory = (errors: { property: string }[]) => new RpcException(errors.map(({ property }) => property).join());
      app.useGlobalPipes(new ValidationPipe({ transform: true, exceptionFactory }));
      app.connectMicroservice({ strategy: app.get(StreambackServer) }, { inheritAppConfig: true });
      await app.startAllMicroservices();
      await app.init();
      client = app.get(StreambackClient);
    });
    afterAll(async () => {
      await app?.close();
    });

    it('a DTO arrives as an instance of its class, or is refused', async () => {
      expect(await lastValueFrom(client.send('mapping.order', { item: 'tea', count: 100 }))).toEqual([true, true]);
      await expect(lastValueFrom(client.send('mapping.order', { item: 1, count: 0 }))).rejects.toEqual({
        status: 'error',
        message: 'item,count',
      });
    });

    it('several arguments in one signature are fields of the payload', async () => {
      expect(await lastValueFrom(client.send('mapping.arguments', { dividend: 12, divisor: 4 }))).toEqual({ quotient: 3, unknown: true });
    });

    it('setResponseType types and maps each answer of send', async () => {
      const record = new StreambackRecordBuilder({ count: 2 }).setKey('k').setResponseType(Receipt).build();
      const answers = client.send('mapping.receipts', record);
      expectTypeOf(answers).toEqualTypeOf<Observable<Receipt>>();
      const [first, second] = await lastValueFrom(answers.pipe(toArray()));
      expect([first, second!.id, second!.at.getFullYear()]).toEqual([expect.any(Receipt), 2, 2026]);
      expect(second!.lines[0]!.shout()).toBe('LINE 2');
    });

    it('and of open; a read may name another class', async () => {
      const lane = client.open('mapping.receipts', new StreambackRecord({ count: 3 }, { responseType: Receipt }));
      expectTypeOf(lane).toEqualTypeOf<Lane<Receipt>>();
      expect(await lane.read()).toBeInstanceOf(Receipt);
      const line = await lane.read({ as: Line });
      expectTypeOf(line).toEqualTypeOf<Line | undefined>();
      expect(line).toBeInstanceOf(Line);
      for await (const each of lane) expect(each.lines[0]!.shout()).toBe('LINE 3');
    });

    it('maps the elements of an array, and leaves what is no object', async () => {
      const record = new StreambackRecordBuilder({}).setResponseType(Receipt).build();
      const answers = await lastValueFrom(client.send('mapping.plain', record).pipe(toArray()));
      expect(answers.slice(0, 3)).toEqual([null, 1, 'text']);
      expect((answers[3] as unknown as Receipt[]).map((each) => each instanceof Receipt)).toEqual([true, true]);
    });

    it('without it answers are typed as they were', () => {
      expectTypeOf(client.send('mapping.plain', {})).toEqualTypeOf<Observable<any>>();
      expectTypeOf(client.send<Line>('mapping.plain', new StreambackRecord({}))).toEqualTypeOf<Observable<Line>>();
      expect(() => new StreambackRecordBuilder({}).setResponseType('Receipt' as never).build()).toThrow(
        "'record.responseType' must be a class",
      );
    });
  });
}
