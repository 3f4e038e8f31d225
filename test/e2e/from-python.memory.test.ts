import { Controller, Module, type ModuleMetadata } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { MessagePattern } from '@nestjs/microservices';
import { firstValueFrom, lastValueFrom, toArray } from 'rxjs';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { StreambackClient, StreambackModule, StreambackScheduleRegistry, StreambackServer, type StreambackOptions } from '../../lib';
import { eventually } from '../support/eventually';
import { freshName } from '../support/fresh-name';
import { CallbacksModule, ExtensionsModule } from './from-python/callbacks';
import { ConcurrentController } from './from-python/concurrency';
import { Calculator, CalculatorUser } from './from-python/futures';
import { LogsController } from './from-python/logs';
import { InjectedController, InputController, InputService, TestResponse } from './from-python/mapping';
import { ConsumerModule, HelloService } from './from-python/one-way';
import { duringMigration, ReportController, Reports, RetriedController } from './from-python/python-service';
import { AppModule as RoutedModule } from './from-python/routers';
import { HelloRpcController, HelloRpcService, HelloStreamController, HelloStreamService } from './from-python/rpc';
import { ScheduledModule, StatusChecks } from './from-python/schedule';

@Controller()
class FailingController {
  @MessagePattern('test_failing')
  fail(): never {
    throw new TypeError('no');
  }
}

/** What docs/from-python-streamback.md shows, run on memory streams. */
let streams: string;
const printed: unknown[][] = [];

beforeEach(() => {
  streams = `memory://${freshName('from-python')}`;
  process.env.STREAMBACK_STREAMS = streams;
  printed.length = 0;
  vi.spyOn(console, 'log').mockImplementation((...line: unknown[]) => void printed.push(line));
});
afterEach(() => {
  delete process.env.STREAMBACK_STREAMS;
  vi.restoreAllMocks();
});

async function start(metadata: ModuleMetadata, options: Partial<StreambackOptions> | null = {}) {
  const own = options && [StreambackModule.forRoot({ group: 'example_consumer_app', streams, ...options })];
  @Module({ ...metadata, imports: [...(own ?? []), ...(metadata.imports ?? [])] })
  class AppModule {}
  const app = await NestFactory.create(AppModule, { logger: false, abortOnError: false });
  app.connectMicroservice({ strategy: app.get(StreambackServer) }, { inheritAppConfig: true });
  await app.startAllMicroservices();
  return { app, client: app.get(StreambackClient), close: () => app.close() };
}

const received = (value: unknown) =>
  eventually('it is printed', () => printed.some(([, each]) => JSON.stringify(each) === JSON.stringify(value)));

// What forRoot reads from the environment is read when the file is loaded.
vi.hoisted(() => (process.env.STREAMBACK_STREAMS = 'memory://from-python'));

it('one way', async () => {
  const consumer = await start({ imports: [ConsumerModule] }, null);
  const producer = await start({ providers: [HelloService] }, { streams: 'memory://from-python' });
  await producer.app.get(HelloService).greet();
  await received({ something: 'Hello world!' });
  await producer.close();
  await consumer.close();
});

it('two ways', async () => {
  const { app, close } = await start({
    controllers: [HelloRpcController, HelloStreamController],
    providers: [HelloRpcService, HelloStreamService],
  });
  expect(await app.get(HelloRpcService).hello()).toBe('Hello from the consumer!');
  const messages = Array.from({ length: 10 }, (_, i) => `Hello #${i} from the consumer!`);
  expect(await lastValueFrom(app.get(HelloStreamService).all().pipe(toArray()))).toEqual(messages);
  expect(await app.get(HelloStreamService).firstThree()).toEqual(messages.slice(0, 3));
  await close();
});

it('concurrency', async () => {
  const { client, close } = await start({ controllers: [ConcurrentController] });
  for (const pattern of ['test_hello_pool', 'test_hello_2', 'test_hello_3']) {
    await lastValueFrom(client.emit(pattern, { pattern }));
    await received({ pattern });
  }
  await close();
});

it('schedules', async () => {
  const { app, close } = await start({ imports: [ScheduledModule], providers: [StatusChecks] }, null);
  const registry = app.get(StreambackScheduleRegistry);
  const schedules = await registry.list();
  expect(schedules.map(({ name }) => name).toSorted()).toEqual(['StatusChecks.check', 'check_the_server_status']);
  expect(schedules.find(({ name }) => name === 'check_the_server_status')).toMatchObject({ weekdays: 'python' });
  await close();
});

it('mapping and injection', async () => {
  const { app, client, close } = await start({ controllers: [InputController, InjectedController], providers: [InputService] });
  const response = await app.get(InputService).send();
  expect(response).toBeInstanceOf(TestResponse);
  expect(response).toEqual({ arg1: 'Hello world!', arg2: 'Hello world!' });
  expect(await app.get(InputService).read()).toBeInstanceOf(TestResponse);
  await expect(firstValueFrom(client.send('test_input', { arg1: 1 }))).rejects.toMatchObject({ status: 'error' });
  expect(await firstValueFrom(client.send('test_injected', { arg1: 'a', arg2: 'b', more: 1 }))).toBe('a b');
  await close();
});

it('class based consumers', async () => {
  const { app, client, close } = await start({ controllers: [LogsController] });
  const logs = app.get(LogsController);
  for (let n = 0; n < 105; n += 1) client.emit('new_log', n);
  await eventually('all are committed', () => logs.committed.flat().length === 105);
  expect(logs.committed.length).toBeLessThan(10);
  expect(new Set(logs.committed.flat()).size).toBe(105);
  await close();
});

it('routers', async () => {
  const { client, close } = await start({ imports: [RoutedModule] }, null);
  await lastValueFrom(client.emit('test_hello', { routed: true }));
  await received({ routed: true });
  await close();
});

it('callbacks and extensions', async () => {
  const { client, close } = await start({
    imports: [CallbacksModule, ExtensionsModule],
    controllers: [InjectedController, FailingController],
  });
  await firstValueFrom(client.send('test_injected', { arg1: 'a', arg2: 'b' }));
  await eventually('the end is told', () => printed.length === 2);
  expect(printed).toEqual([
    ['on_consume_begin:', 'test_injected'],
    ['on_consume_end:', 'done'],
  ]);
  await expect(firstValueFrom(client.send('test_failing', {}))).rejects.toMatchObject({ status: 'error' });
  await eventually('the error is told', () => printed.some(([what]) => what === 'on_consume_exception:'));
  await close();
});

it('futures', async () => {
  const { app, close } = await start({ providers: [Calculator, CalculatorUser] });
  expect(await app.get(CalculatorUser).add(1, 2)).toBe(3);
  await close();
});

it('retries, and a request that another process reads', async () => {
  const { app, client, close } = await start(
    { controllers: [RetriedController, ReportController], providers: [Reports] },
    { ...duringMigration, group: 'example_consumer_app', streams },
  );
  await lastValueFrom(client.emit('retried', 1));
  await received(1);
  const reports = app.get(Reports);
  expect(await reports.read(await reports.start(7))).toEqual(['7: one', '7: two']);
  expect(await reports.first(8)).toBe('8: one');
  await close();
});
