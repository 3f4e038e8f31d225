import 'reflect-metadata';
import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Ctx, EventPattern, MessagePattern, Payload, RpcException } from '@nestjs/microservices';
import {
  StreambackContext,
  StreambackModule,
  StreambackServer,
  type StreambackAbortError,
  type StreambackModuleOptions,
} from '../../../lib';
import { answerState, tell, until } from './app';
import { IdCounter } from './id-counter';

/** A service whose handlers say when they begin and when they are stopped, so that a test can kill it at the right moment. */
const options = JSON.parse(process.argv[2]!) as StreambackModuleOptions;

let begun = 0;
const events = new IdCounter();

@Controller()
class ServiceController {
  @MessagePattern('echo')
  echo(@Payload() data: unknown): unknown {
    return data;
  }

  @MessagePattern('fail')
  fail(@Payload() id: number): never {
    throw new RpcException(`no ${id}`);
  }

  /** One answer after some time. */
  @MessagePattern('work')
  async work(@Payload() { id, ms }: { id: number; ms: number }, @Ctx() { signal }: StreambackContext): Promise<{ id: number }> {
    begun += 1;
    await until(ms, signal);
    return { id };
  }

  /** Numbers with the process that they come from: `to` of them, `everyMs`, the first after `firstAfterMs`. */
  @MessagePattern('count')
  async *count(
    @Payload() { id, to = Infinity, everyMs = 0, firstAfterMs = 0, bytes = 0 }: CountRequest,
    @Ctx() { signal }: StreambackContext,
  ): AsyncGenerator<CountAnswer> {
    begun += 1;
    if (id !== undefined) {
      tell({ type: 'begun', id });
      signal.addEventListener('abort', () => tell({ type: 'stopped', id, code: (signal.reason as StreambackAbortError).code }));
    }
    const padding = 'x'.repeat(bytes);
    if (firstAfterMs > 0) await until(firstAfterMs, signal);
    for (let n = 0; n < to; n++) {
      if (everyMs > 0 && n > 0) await until(everyMs, signal);
      yielded = n + 1;
      yield { n, pid: process.pid, ...(bytes > 0 && { padding }) };
    }
  }

  @EventPattern('happened')
  happened(@Payload() id: number): void {
    events.add(id);
  }
}

/** Of the last stream, for a test that has one. */
let yielded = 0;

export interface CountRequest {
  readonly id?: number;
  readonly to?: number;
  readonly everyMs?: number;
  readonly firstAfterMs?: number;
  readonly bytes?: number;
}

export interface CountAnswer {
  readonly n: number;
  readonly pid: number;
}

@Module({ imports: [StreambackModule.forRoot(options)], controllers: [ServiceController] })
class AppModule {}

async function main(): Promise<void> {
  const app = await NestFactory.createMicroservice(AppModule, {
    useFactory: (strategy: StreambackServer) => ({ strategy }),
    inject: [StreambackServer],
    logger: ['error', 'warn'],
  });
  await app.listen();
  answerState(() => ({ begun, yielded, events: events.seen, eventsTwice: events.twice }));
  tell({ type: 'ready' });
}

void main();
