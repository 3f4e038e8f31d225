import { Controller, Injectable, Module, Scope, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { MessagePattern } from '@nestjs/microservices';
import { describe, expect, it } from 'vitest';
import { Remote, type StreambackRemoteOptions, StreambackModule, StreambackServer } from '../../lib';
import { freshName } from '../support/fresh-name';
import { remoteSuite } from './suites/remote.suite';

const name = `memory://${freshName('remote')}`;

remoteSuite('remote methods on memory', () => name, { tellsAbsence: false });

describe('at start', () => {
  const start = async (providers: Type[], controllers: Type[] = []): Promise<unknown> => {
    @Module({
      imports: [StreambackModule.forRoot({ group: 'wrong', streams: `memory://${freshName('wrong')}` })],
      controllers,
      providers,
    })
    class AppModule {}
    try {
      const app = await NestFactory.create(AppModule, { logger: false, abortOnError: false });
      try {
        app.connectMicroservice({ strategy: app.get(StreambackServer) });
        await app.startAllMicroservices();
        return undefined;
      } finally {
        await app.close();
      }
    } catch (error) {
      return error;
    }
  };
  const withOptions = (options: unknown, others: StreambackRemoteOptions = {}): Type => {
    @Injectable()
    class Service {
      @Remote(options as StreambackRemoteOptions)
      one(): void {}

      @Remote(others)
      two(): void {}
    }
    return Service;
  };

  it.each([
    [{ nmae: 'x' }, "Did you mean 'remote(Service.one).name'?"],
    [{ name: '' }, "'remote(Service.one).name' must be a string that is not empty"],
    [{ concurrency: 0 }, "'remote(Service.one).concurrency' must be a whole number of at least 1, not 0"],
  ])('refuses %j', async (options, text) => {
    expect(await start([withOptions(options)])).toMatchObject({ code: 'INVALID_OPTION', message: expect.stringContaining(text) });
  });

  it('refuses options that contradict another method’s of the same name', async () => {
    expect(await start([withOptions({ concurrency: 1 }, { concurrency: 2 })])).toMatchObject({ code: 'INVALID_OPTION' });
  });

  it('refuses two methods of one name', async () => {
    expect(await start([withOptions({}), withOptions({})])).toMatchObject({
      code: 'INVALID_OPTION',
      message: "Two methods 'one' are remote as 'wrong'",
    });
  });

  it('refuses a connection that no module registers', async () => {
    expect(await start([withOptions({ connection: 'nowhere' })])).toMatchObject({
      code: 'UNKNOWN_CONNECTION',
      message: "The remote method 'one' belongs to the connection 'nowhere', which no module registers",
    });
  });

  it('refuses a provider that is made anew for each request', async () => {
    @Injectable({ scope: Scope.REQUEST })
    class Anew {
      @Remote()
      one(): void {}
    }
    expect(await start([Anew])).toMatchObject({ code: 'INVALID_OPTION', message: expect.stringContaining("'Anew' has @Remote methods") });
  });

  it('refuses a handler of the pattern that calls are sent to', async () => {
    @Controller()
    class Beside {
      @MessagePattern('streamback.remote.wrong')
      calls(): void {}
    }
    expect(await start([withOptions({})], [Beside])).toMatchObject({ code: 'INVALID_PATTERN' });
  });
});
