import { BadRequestException, Controller, type INestApplication, Module, UseGuards, ValidationPipe } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { EventPattern, MessagePattern, Payload } from '@nestjs/microservices';
import { IsInt } from 'class-validator';
import { lastValueFrom } from 'rxjs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type DeadLetter, listener, StreambackClient, StreambackDeadLetters, StreambackModule, StreambackServer } from '../../lib';
import { eventually } from '../support/eventually';
import { freshName } from '../support/fresh-name';
import { RecordingLogger } from '../support/recording-logger';

class Order {
  @IsInt()
  amount!: number;
}

const handled: unknown[] = [];

@Controller()
class OrdersController {
  @EventPattern<string>('refused.event', listener({ retry: { times: 1, delayMs: 1, on: [TypeError] } }))
  event(@Payload() order: Order): void {
    handled.push(order);
  }

  @EventPattern<string>('refused.again', listener({ retry: { times: 2, delayMs: 1, on: [BadRequestException] } }))
  again(@Payload() order: Order): void {
    handled.push(order);
  }

  @UseGuards({ canActivate: () => refuse() })
  @EventPattern<string>('refused.guard')
  guarded(@Payload() order: Order): void {
    handled.push(order);
  }

  @EventPattern<string>('failing.event')
  failing(): never {
    throw new TypeError('it fails');
  }

  @MessagePattern('refused.request', listener({ retry: { times: 3, delayMs: 1 } }))
  request(@Payload() order: Order): number {
    return order.amount;
  }
}

function refuse(): never {
  throw new BadRequestException('not on a Sunday');
}

let app: INestApplication;
let client: StreambackClient;
const logger = new RecordingLogger();

beforeAll(async () => {
  const options = { group: freshName('refusals'), streams: `memory://${freshName('refusals')}` };
  @Module({ imports: [StreambackModule.forRoot(options)], controllers: [OrdersController] })
  class AppModule {}
  app = await NestFactory.create(AppModule, { logger });
  app.useGlobalPipes(new ValidationPipe({ transform: true }));
  app.connectMicroservice({ strategy: app.get(StreambackServer) }, { inheritAppConfig: true });
  await app.startAllMicroservices();
  client = app.get(StreambackClient);
});
afterAll(() => app.close());

async function letterOf(pattern: string): Promise<DeadLetter> {
  await lastValueFrom(client.emit(pattern, { amount: 'much' }), { defaultValue: undefined });
  return theLetterOf(pattern);
}

async function theLetterOf(pattern: string): Promise<DeadLetter> {
  const letters: DeadLetter[] = [];
  await eventually('it is put aside', async () => {
    letters.length = 0;
    for await (const letter of app.get(StreambackDeadLetters).read(pattern)) letters.push(letter);
    return letters.length > 0;
  });
  expect(letters).toHaveLength(1);
  return letters[0]!;
}

it('what a pipe refuses is in the dead letter and in the log as it was thrown, and retry.on is asked of it', async () => {
  const { code, message, attempts } = await letterOf('refused.event');
  expect({ code, attempts }).toEqual({ code: 'HANDLER_FAILED', attempts: 1 });
  expect(message).toContain('BadRequestException: Bad Request Exception (amount must be an integer number)');
  expect(logger.having('BadRequestException: Bad Request Exception (amount must be an integer number)')).not.toEqual([]);
  expect((await letterOf('refused.again')).attempts).toBe(3);
  expect(handled).toEqual([]);
});

it('so is what a guard refuses', async () => {
  expect((await letterOf('refused.guard')).message).toContain('not on a Sunday');
  expect(handled).toEqual([]);
});

it('a request that meets event handlers alone, as every message of Python streamback is one, is put aside as an event is', async () => {
  await expect(lastValueFrom(client.send('failing.event', {}))).rejects.toEqual({ status: 'error', message: 'Internal server error' });
  expect((await theLetterOf('failing.event')).message).toContain('it fails');
});

it('a request that a pipe refuses is answered as by Nest, once', async () => {
  const error: unknown = await lastValueFrom(client.send('refused.request', { amount: 'much' })).catch((each: unknown) => each);
  expect(error).toEqual({ status: 'error', message: 'Internal server error' });
  expect(await lastValueFrom(client.send('refused.request', { amount: 7 }))).toBe(7);
});
