import { Controller, Injectable, Module, type INestApplication, type INestApplicationContext, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { EventPattern, MessagePattern, Transport } from '@nestjs/microservices';
import { afterEach, describe, expect, it, vi } from 'vitest';
import {
  getStreambackServerToken,
  getStreambackTransportId,
  Remote,
  StreambackClient,
  StreambackModule,
  StreambackServer,
  type StreambackOptions,
} from '../../lib';
import { deferred } from '../support/deferred';
import { eventually } from '../support/eventually';
import { freshName } from '../support/fresh-name';
import { RecordingLogger } from '../support/recording-logger';

const name = freshName('lines');
const fresh = (options: Partial<StreambackOptions> = {}): StreambackOptions => ({
  group: 'lines-group',
  streams: `memory://${name}`,
  ...options,
});

/** Classes are made anew: what a server was given once stays known of a class. */
const greeter = (): Type => {
  @Controller()
  class Greeter {
    @MessagePattern('greet')
    greet(): string {
      return 'hello';
    }
    @EventPattern<string>('greeted', getStreambackTransportId())
    greeted(): void {}
  }
  return Greeter;
};

const foreign = (): Type => {
  @Controller()
  class Foreign {
    @MessagePattern('foreign', Transport.TCP)
    foreign(): void {}
  }
  return Foreign;
};

const moduleOf = (controllers: Type[], providers: Type[] = []): Type => {
  @Module({ imports: [StreambackModule.forRoot(fresh())], controllers, providers })
  class AppModule {}
  return AppModule;
};

let app: INestApplication | INestApplicationContext;
let logger: RecordingLogger;

const create = async (controllers: Type[], providers: Type[] = []): Promise<INestApplication> => {
  logger = new RecordingLogger();
  const made = await NestFactory.create(moduleOf(controllers, providers), { logger });
  app = made;
  return made;
};

/** The app's start, and more than a moment. */
async function startAndWait(start: () => Promise<unknown>): Promise<void> {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  try {
    await start();
    await vi.advanceTimersByTimeAsync(10_000);
  } finally {
    vi.useRealTimers();
  }
}

const complaints = (): string[] => logger.having('listened to').concat(logger.having('Listens to nothing'));

afterEach(() => app.close());

describe('handlers that no server was connected for', () => {
  it('are warned about once the app has started, with what to call', async () => {
    const made = await create([greeter()]);
    await startAndWait(() => made.init());
    expect(complaints()).toEqual([expect.stringMatching(/^warn Nothing is listened to.*'greet', 'greeted'.*connectMicroservice/)]);
  });

  it('are warned about where the server was connected and never started', async () => {
    const made = await create([greeter()]);
    made.connectMicroservice({ strategy: made.get(StreambackServer) });
    await startAndWait(() => made.init());
    expect(complaints()).toEqual([expect.stringContaining('startAllMicroservices')]);
  });

  it('are remote methods, too', async () => {
    @Injectable()
    class Billing {
      @Remote({ name: 'billing' })
      bill(): void {}
    }
    const made = await create([], [Billing]);
    await startAndWait(() => made.init());
    expect(complaints()).toEqual([expect.stringContaining('billing')]);
  });

  it('are not warned about after the app was closed', async () => {
    const made = await create([greeter()]);
    await startAndWait(async () => {
      await made.init();
      await made.close();
    });
    expect(complaints()).toEqual([]);
  });
});

describe('nothing is warned about', () => {
  it('where the servers listen', async () => {
    const made = await create([greeter()]);
    made.connectMicroservice({ strategy: made.get(StreambackServer) });
    await startAndWait(async () => {
      await made.init();
      await made.startAllMicroservices();
    });
    expect(complaints()).toEqual([]);
  });

  it('in an app that only sends, or whose handlers are of another transport', async () => {
    const made = await create([foreign()]);
    await startAndWait(() => made.init());
    expect(complaints()).toEqual([]);
  });

  it('where a server of another transport took the handlers that name none', async () => {
    @Controller()
    class Plain {
      @MessagePattern('plain')
      plain(): void {}
    }
    const made = await create([Plain]);
    made.connectMicroservice({ transport: Transport.TCP, options: { port: 0 } });
    await startAndWait(() => made.init());
    expect(complaints()).toEqual([]);
  });

  it('in a script that uses the modules of an app', async () => {
    logger = new RecordingLogger();
    await startAndWait(async () => {
      app = await NestFactory.createApplicationContext(moduleOf([greeter()]), { logger });
    });
    expect(complaints()).toEqual([]);
  });
});

describe('a server that starts', () => {
  it('says what it listens to, as whom and where', async () => {
    const made = await create([greeter()]);
    made.connectMicroservice({ strategy: made.get(StreambackServer) });
    await made.startAllMicroservices();
    const where = `memory://${name}, answers by memory://${name}`;
    expect(logger.having('Listens to')).toEqual([`log Listens to 'greet', 'greeted' as group 'lines-group' on ${where}`]);
  });

  it('says the first ten patterns', async () => {
    @Controller()
    class Many {
      @EventPattern(Array.from({ length: 12 }, (_, index) => `many.${index}`))
      many(): void {}
    }
    const made = await create([Many]);
    made.connectMicroservice({ strategy: made.get(StreambackServer) });
    await made.startAllMicroservices();
    expect(logger.having('Listens to')).toEqual([expect.stringMatching(/'many\.9' and 2 more as group/)]);
  });

  it('warns that it listens to nothing', async () => {
    const made = await create([foreign()]);
    made.connectMicroservice({ strategy: made.get(StreambackServer) });
    await made.startAllMicroservices();
    expect(complaints()).toEqual([expect.stringMatching(/^warn Listens to nothing: no controller has a @MessagePattern/)]);
  });

  it('is refused where it is connected twice', async () => {
    const made = await create([greeter()]);
    made.connectMicroservice({ strategy: made.get<StreambackServer>(getStreambackServerToken()) });
    made.connectMicroservice({ strategy: made.get(StreambackServer) });
    await expect(made.startAllMicroservices()).rejects.toMatchObject({ code: 'INVALID_OPTION', message: expect.stringContaining('twice') });
  });
});

it('a server that closes says once what it waits for', async () => {
  const [begun, finish] = [deferred(), deferred()];
  @Controller()
  class Working {
    @EventPattern<string>('lines.work')
    async work(): Promise<void> {
      begun.resolve();
      await finish.promise;
    }
  }
  const made = await create([Working]);
  made.connectMicroservice({ strategy: made.get(StreambackServer) });
  await made.startAllMicroservices();
  made.get(StreambackClient).emit('lines.work', {});
  await begun.promise;
  const closed = made.close();
  await eventually('it is said', () => logger.having('Closing').length > 0);
  finish.resolve();
  await closed;
  expect(logger.having('Closing')).toEqual(['log Closing: waits up to 8000 ms for messages that are being handled: 1']);
});
