import { Controller, Module, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { EventPattern, MessagePattern } from '@nestjs/microservices';
import { describe, expect, it } from 'vitest';
import { BatchPattern, type StreambackBatchOptions, StreambackModule, StreambackServer } from '../../lib';
import { freshName } from '../support/fresh-name';
import { batchesSuite } from './suites/batches.suite';

const name = `memory://${freshName('batches')}`;

batchesSuite('batches on memory', () => name);

describe('at start', () => {
  const start = async (controllers: Type[], maxInFlight = 1_000): Promise<unknown> => {
    @Module({
      imports: [StreambackModule.forRoot({ group: 'wrong', streams: `memory://${freshName('wrong')}`, maxInFlight })],
      controllers,
    })
    class AppModule {}
    const app = await NestFactory.create(AppModule, { logger: false, abortOnError: false });
    try {
      app.connectMicroservice({ strategy: app.get(StreambackServer) });
      await app.startAllMicroservices();
      return undefined;
    } catch (error) {
      return error;
    } finally {
      await app.close();
    }
  };
  const withOptions = (options: unknown): Type[] => {
    @Controller()
    class OptionsController {
      @BatchPattern('lines', options as StreambackBatchOptions)
      lines(): void {}
    }
    return [OptionsController];
  };

  it.each([
    [{ sise: 5 }, "Did you mean 'batch(lines).size'?"],
    [{ size: 0 }, "'batch(lines).size' must be a whole number of at least 1, not 0"],
    [{ maxWaitMs: 0.5 }, "'batch(lines).maxWaitMs' must be whole milliseconds, at least 0, not 0.5"],
    [{ retry: { times: -1 } }, "'batch(lines).retry.times' must be a whole number of at least 0, not -1"],
    [{ size: 2_000 }, 'would have 2000 messages, and maxInFlight allows a process 1000'],
  ])('refuses %j', async (options, text) => {
    expect(await start(withOptions(options))).toMatchObject({ code: 'INVALID_OPTION', message: expect.stringContaining(text) });
  });

  it('refuses a connection that no module registers', async () => {
    await expect(start(withOptions({ connection: 'nowhere' }))).rejects.toMatchObject({ code: 'UNKNOWN_CONNECTION' });
  });

  it('refuses other handlers beside a batch handler', async () => {
    @Controller()
    class EventBeside {
      @BatchPattern('lines')
      lines(): void {}

      @EventPattern<string>('lines')
      line(): void {}
    }
    @Controller()
    class MessageBeside {
      @MessagePattern('lines')
      line(): void {}
    }
    const refusal = { code: 'INVALID_PATTERN', message: "The pattern 'lines' has a @BatchPattern beside another handler" };
    expect(await start([EventBeside])).toMatchObject(refusal);
    expect(await start([MessageBeside, ...withOptions({})])).toMatchObject(refusal);
    expect(await start([...withOptions({}), ...withOptions({})])).toMatchObject(refusal);
  });
});
