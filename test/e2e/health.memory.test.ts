import { Controller, Injectable, Module, type DynamicModule } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { MessagePattern } from '@nestjs/microservices';
import { describe, expect, it } from 'vitest';
import { StreambackClient, StreambackHealth, StreambackModule, StreambackServer } from '../../lib';
import { deferred } from '../support/deferred';
import { eventually } from '../support/eventually';
import { freshName } from '../support/fresh-name';

const fresh = (connection?: string) => {
  const name = freshName('health');
  return { group: name, streams: `memory://${name}`, ...(connection ? { connection } : {}) };
};

async function start(...imports: DynamicModule['imports'] & object) {
  @Module({ imports })
  class AppModule {}
  return NestFactory.create(AppModule, { logger: false, abortOnError: false });
}

describe('StreambackHealth in Nest', () => {
  it('is one for all connections, in every module; memory streams are up', async () => {
    @Controller()
    class Working {
      @MessagePattern('work')
      work(): void {}
    }
    @Injectable()
    class Anywhere {
      constructor(readonly health: StreambackHealth) {}
    }
    @Module({ providers: [Anywhere] })
    class FarModule {}
    @Module({ imports: [StreambackModule.forRoot(fresh()), StreambackModule.forRoot(fresh('audit')), FarModule], controllers: [Working] })
    class AppModule {}
    const app = await NestFactory.create(AppModule, { logger: false });
    const server = app.get(StreambackServer);
    app.connectMicroservice({ strategy: server });
    await app.startAllMicroservices();
    const { health } = app.get(Anywhere);
    expect(health).toBe(app.get(StreambackHealth));
    const idle = { status: 'up', main: 'up', feedback: 'up', heartbeatAgeMs: null, lag: null, inFlight: 0 };
    const connections = { default: { ...idle, assignedPartitions: 1 }, audit: { ...idle, assignedPartitions: null } };
    expect(await health.ready()).toEqual({ status: 'up', connections });
    expect(await health.live()).toEqual({ status: 'up', connections });
    await app.close();
  });

  it('counts what is in flight, until it ends', async () => {
    const finish = deferred();
    @Controller()
    class Working {
      @MessagePattern('work')
      async work(): Promise<string> {
        await finish.promise;
        return 'done';
      }
    }
    @Module({ imports: [StreambackModule.forRoot(fresh())], controllers: [Working] })
    class AppModule {}
    const app = await NestFactory.create(AppModule, { logger: false });
    app.connectMicroservice({ strategy: app.get(StreambackServer) });
    await app.startAllMicroservices();
    const [one, two] = [1, 2].map(() => app.get(StreambackClient).open<string>('work', {}));
    const inFlight = async () => (await app.get(StreambackHealth).ready()).connections.default!.inFlight;
    await eventually('both are in flight', async () => (await inFlight()) === 2);
    finish.resolve();
    expect([await one!.read(), await two!.read()]).toEqual(['done', 'done']);
    await eventually('none is', async () => (await inFlight()) === 0);
    await app.close();
  });
});

describe('a connection that is registered twice', () => {
  it.each([
    ['the default one', () => [StreambackModule.forRoot(fresh()), StreambackModule.forRoot(fresh())], 'default'],
    [
      'one by a factory',
      () => [
        StreambackModule.forRoot(fresh('audit')),
        StreambackModule.forRootAsync({ connection: 'audit', useFactory: () => ({ group: 'audit', streams: 'memory://' }) }),
      ],
      'audit',
    ],
  ])('%s is refused at start', async (_what, modules, name) => {
    await expect(start(...modules())).rejects.toMatchObject({
      code: 'INVALID_OPTION',
      option: 'connection',
      message: `The connection '${name}' is registered twice`,
      remedy: expect.stringContaining('isGlobal: true') as string,
    });
  });

  it('one module that two others import is one connection', async () => {
    const shared = StreambackModule.forRoot(fresh());
    @Module({ imports: [shared] })
    class OneModule {}
    @Module({ imports: [shared] })
    class OtherModule {}
    const app = await start(OneModule, OtherModule, StreambackModule.forRoot(fresh('audit')));
    expect(Object.keys((await app.get(StreambackHealth).ready()).connections)).toEqual(['default', 'audit']);
    await app.close();
  });
});
