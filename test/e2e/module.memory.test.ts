import {
  Controller,
  Injectable,
  Module,
  type DynamicModule,
  type OnApplicationShutdown,
  type OnModuleDestroy,
  type Type,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ClientProxy, ClientsModule, Ctx, EventPattern, MessagePattern, Payload } from '@nestjs/microservices';
import { Test } from '@nestjs/testing';
import { firstValueFrom, lastValueFrom, toArray } from 'rxjs';
import { describe, expect, it } from 'vitest';
import {
  getStreambackClientToken,
  getStreambackServerToken,
  getStreambackTransportId,
  InjectStreamback,
  listener,
  StreambackClient,
  StreambackContext,
  StreambackModule,
  type StreambackOptions,
  type StreambackOptionsFactory,
  StreambackRecordBuilder,
  StreambackServer,
} from '../../lib';
import { MemoryFeedbackStream } from '../../lib/streams/memory/memory.feedback-stream';
import { MemoryMainStream } from '../../lib/streams/memory/memory.main-stream';
import { deferred } from '../support/deferred';
import { freshName } from '../support/fresh-name';

const fresh = (): StreambackOptions => ({ group: freshName('module'), streams: `memory://${freshName('module')}` });

@Controller()
class Greeter {
  @MessagePattern('greet')
  async *greet(name: string): AsyncGenerator<string> {
    yield `hello ${name}`;
    yield `bye ${name}`;
  }
}

@Injectable()
class Caller {
  constructor(@InjectStreamback() readonly client: ClientProxy) {}
  call(): Promise<string[]> {
    return lastValueFrom(this.client.send<string>('greet', 'you').pipe(toArray()));
  }
}

async function greetings(imports: DynamicModule[], host: Type = Caller): Promise<string[]> {
  @Module({ imports, controllers: [Greeter], providers: [host] })
  class AppModule {}
  const app = await NestFactory.create(AppModule, { logger: false });
  app.connectMicroservice({ strategy: app.get(StreambackServer) });
  await app.startAllMicroservices();
  const got = await app.get(Caller).call();
  await app.close();
  return got;
}

class Factory implements StreambackOptionsFactory {
  createStreambackOptions(): StreambackOptions {
    return fresh();
  }
}

@Module({ providers: [Factory, { provide: 'OPTIONS', useFactory: fresh }], exports: [Factory, 'OPTIONS'] })
class ConfigModule {}

describe('StreambackModule', () => {
  it.each<[string, () => DynamicModule]>([
    ['forRoot', () => StreambackModule.forRoot(fresh())],
    [
      'forRootAsync with useFactory',
      () =>
        StreambackModule.forRootAsync({
          imports: [ConfigModule],
          inject: ['OPTIONS'],
          useFactory: async (options: StreambackOptions) => options,
        }),
    ],
    ['forRootAsync with useClass', () => StreambackModule.forRootAsync({ useClass: Factory })],
    ['forRootAsync with useExisting', () => StreambackModule.forRootAsync({ imports: [ConfigModule], useExisting: Factory })],
    [
      'forRootAsync with extraProviders',
      () =>
        StreambackModule.forRootAsync({
          extraProviders: [{ provide: 'X', useFactory: fresh }],
          inject: ['X'],
          useFactory: (options: StreambackOptions) => options,
        }),
    ],
  ])('%s gives a server and a client', async (_how, module) => {
    expect(await greetings([module()])).toEqual(['hello you', 'bye you']);
  });

  it('isGlobal lets every module inject the client', async () => {
    @Module({ providers: [Caller] })
    class FeatureModule {}
    @Module({ imports: [StreambackModule.forRoot({ ...fresh(), isGlobal: true }), FeatureModule], controllers: [Greeter] })
    class AppModule {}
    const app = await NestFactory.create(AppModule, { logger: false });
    app.connectMicroservice({ strategy: app.get(StreambackServer) });
    await app.startAllMicroservices();
    expect(await app.get(Caller).call()).toEqual(['hello you', 'bye you']);
    await app.close();
  });

  it('works in createMicroservice, with the server from the module', async () => {
    @Module({ imports: [StreambackModule.forRoot(fresh())], controllers: [Greeter], providers: [Caller] })
    class AppModule {}
    const app = await NestFactory.createMicroservice(AppModule, {
      logger: false,
      useFactory: (strategy: StreambackServer) => ({ strategy }),
      inject: [StreambackServer],
    });
    await app.listen();
    expect(await app.get(Caller).call()).toEqual(['hello you', 'bye you']);
    await app.close();
  });

  it('works in a TestingModule', async () => {
    const module = await Test.createTestingModule({
      imports: [StreambackModule.forRoot(fresh())],
      controllers: [Greeter],
      providers: [Caller],
    }).compile();
    const app = module.createNestApplication({ logger: false });
    app.connectMicroservice({ strategy: app.get(StreambackServer) });
    await app.startAllMicroservices();
    expect(await app.get(Caller).call()).toEqual(['hello you', 'bye you']);
    await app.close();
  });

  it('has several connections, each with its own handlers', async () => {
    const [one, audit] = [fresh(), fresh()];
    const handledBy: string[] = [];
    @Controller()
    class Both {
      @MessagePattern('who')
      byDefault(): string {
        handledBy.push('default');
        return 'default';
      }
      @MessagePattern('who.audit', getStreambackTransportId('audit'))
      byAudit(): string {
        handledBy.push('audit');
        return 'audit';
      }
      @EventPattern<string>('written', getStreambackTransportId('audit'), listener({ order: 'partition' }))
      written(): void {}
    }
    @Module({
      imports: [StreambackModule.forRoot(one), StreambackModule.forRootAsync({ connection: 'audit', useFactory: () => audit })],
      controllers: [Both],
    })
    class AppModule {}
    const app = await NestFactory.create(AppModule, { logger: false });
    app.connectMicroservice({ strategy: app.get(StreambackServer) });
    app.connectMicroservice({ strategy: app.get<StreambackServer>(getStreambackServerToken('audit')) });
    await app.startAllMicroservices();
    const auditClient = app.get<StreambackClient>(getStreambackClientToken('audit'));
    expect(await firstValueFrom(app.get(StreambackClient).send('who', {}))).toBe('default');
    expect(await firstValueFrom(auditClient.send('who.audit', {}))).toBe('audit');
    expect([...app.get(StreambackServer).getHandlers().keys()]).toEqual(['who']);
    expect([...app.get<StreambackServer>(getStreambackServerToken('audit')).getHandlers().keys()]).toEqual(['who.audit', 'written']);
    await app.close();
  });

  it('drains handlers before anything they use is destroyed, and closes the client after', async () => {
    const order: string[] = [];
    @Injectable()
    class Database implements OnModuleDestroy, OnApplicationShutdown {
      constructor(@InjectStreamback() private readonly client: ClientProxy) {}
      onModuleDestroy(): void {
        order.push('database closed');
      }
      async onApplicationShutdown(): Promise<void> {
        await lastValueFrom(this.client.emit('database.closed', {}));
        order.push('last event sent');
      }
    }
    const [begun, finish] = [deferred(), deferred()];
    @Controller()
    class Working {
      constructor(readonly database: Database) {}
      @MessagePattern('work')
      async work(): Promise<string> {
        begun.resolve();
        await finish.promise;
        order.push('handler finished');
        return 'done';
      }
    }
    @Module({ providers: [Database], exports: [Database] })
    class DatabaseModule {}
    const options = fresh();
    @Module({ imports: [DatabaseModule, StreambackModule.forRoot({ ...options, isGlobal: true })], controllers: [Working] })
    class AppModule {}
    const app = await NestFactory.create(AppModule, { logger: false });
    app.connectMicroservice({ strategy: app.get(StreambackServer) });
    await app.startAllMicroservices();
    const caller = new StreambackClient(options);
    const answer = lastValueFrom(caller.send('work', {}));
    await begun.promise;
    const closed = app.close();
    setImmediate(finish.resolve);
    expect(await answer).toBe('done');
    await closed;
    await caller.close();
    expect(order).toEqual(['handler finished', 'database closed', 'last event sent']);
  });
});

describe('without the module', () => {
  it('server and client work as Nest’s own transports do', async () => {
    const options = fresh();
    @Module({
      imports: [
        ClientsModule.register([{ name: 'GREETER', customClass: StreambackClient, options: options as unknown as Record<string, any> }]),
      ],
      controllers: [Greeter],
    })
    class AppModule {}
    const app = await NestFactory.createMicroservice(AppModule, { logger: false, strategy: new StreambackServer(options) });
    await app.listen();
    const client = app.get<ClientProxy>('GREETER');
    expect(await lastValueFrom(client.send('greet', 'you').pipe(toArray()))).toEqual(['hello you', 'bye you']);
    await app.close();
    await expect(firstValueFrom(client.send('greet', 'you'))).rejects.toMatchObject({ code: 'CLOSED' });
  });

  it('a handler that a module has seen still belongs to servers of any name', async () => {
    expect(await greetings([StreambackModule.forRoot(fresh())])).toEqual(['hello you', 'bye you']);
    const options = { ...fresh(), connection: 'other' };
    @Module({ controllers: [Greeter] })
    class AppModule {}
    const server = new StreambackServer(options);
    const app = await NestFactory.createMicroservice(AppModule, { logger: false, strategy: server });
    await app.listen();
    expect([...server.getHandlers().keys()]).toEqual(['greet']);
    await app.close();
  });

  it('connect() is cached, status tells, close() is idempotent', async () => {
    const client = new StreambackClient(fresh());
    await Promise.all([client.connect(), client.connect()]);
    expect(await firstValueFrom(client.status)).toBe('connected');
    await Promise.all([client.close(), client.close()]);
    await expect(lastValueFrom(client.emit('x', {}))).rejects.toMatchObject({ code: 'CLOSED', remedy: expect.any(String) });
  });
});

describe('at start', () => {
  const start = async (controller: Type, options: object = fresh()): Promise<void> => {
    @Module({ imports: [StreambackModule.forRoot(options as StreambackOptions)], controllers: [controller] })
    class AppModule {}
    const app = await NestFactory.create(AppModule, { logger: false, abortOnError: false });
    try {
      app.connectMicroservice({ strategy: app.get(StreambackServer) });
      await app.startAllMicroservices();
    } finally {
      await app.close();
    }
  };

  it('a misspelt listener option is refused', async () => {
    @Controller()
    class Typo {
      @MessagePattern('typo', { concurency: 3 })
      typo(): void {}
    }
    await expect(start(Typo)).rejects.toMatchObject({
      code: 'INVALID_OPTION',
      option: 'listener(typo).concurency',
      remedy: "Did you mean 'listener(typo).concurrency'?",
    });
  });

  it('a wrong listener option is refused', async () => {
    @Controller()
    class Wrong {
      @MessagePattern('wrong', listener({ concurrency: 0 }))
      wrong(): void {}
    }
    await expect(start(Wrong)).rejects.toMatchObject({ code: 'INVALID_OPTION', message: expect.stringContaining('at least 1, not 0') });
  });

  it('two handlers of one pattern that contradict each other are refused', async () => {
    @Controller()
    class Contradicting {
      @EventPattern<string>('both', listener({ order: 'key' }))
      one(): void {}
      @EventPattern<string>('both', listener({ order: 'none', concurrency: 2 }))
      two(): void {}
    }
    await expect(start(Contradicting)).rejects.toMatchObject({ code: 'INVALID_OPTION', option: 'listener(both).order' });
  });

  it('an option that is undefined counts as left out', async () => {
    expect(await greetings([StreambackModule.forRoot({ ...fresh(), defaultListenerOptions: { concurrency: undefined } })])).toEqual([
      'hello you',
      'bye you',
    ]);
  });

  it('a reserved pattern is refused', async () => {
    @Controller()
    class Reserved {
      @EventPattern<string>('orders.dlt')
      reserved(): void {}
    }
    await expect(start(Reserved)).rejects.toMatchObject({ code: 'INVALID_PATTERN' });
  });

  it('a handler on a connection that nobody registers is refused', async () => {
    @Controller()
    class Lost {
      @MessagePattern('lost', getStreambackTransportId('nowhere'))
      lost(): void {}
    }
    await expect(start(Lost)).rejects.toMatchObject({ code: 'UNKNOWN_CONNECTION' });
  });

  it.each<[string, object, object]>([
    [
      'a misspelt option',
      { group: 'g', maxInFlihgt: 1 },
      { code: 'INVALID_OPTION', option: 'maxInFlihgt', remedy: "Did you mean 'maxInFlight'?" },
    ],
    ['no group', { streams: 'memory://' }, { code: 'INVALID_OPTION', option: 'group' }],
    ['a wrong type', { group: 'g', leaseMs: '5s' }, { code: 'INVALID_OPTION', option: 'leaseMs' }],
    [
      'a nested typo',
      { group: 'g', kafka: { partition: 3 } },
      { code: 'INVALID_OPTION', option: 'kafka.partition', remedy: "Did you mean 'kafka.partitions'?" },
    ],
    [
      'static membership',
      { group: 'g', kafka: { consumer: { groupInstanceId: 'a' } } },
      { code: 'INVALID_OPTION', option: 'kafka.consumer.groupInstanceId' },
    ],
    [
      'what the package decides',
      { group: 'g', redis: { client: { commandTimeout: 1 } } },
      { code: 'INVALID_OPTION', option: 'redis.client.commandTimeout' },
    ],
    ['a key prefix', { group: 'g', redis: { client: { keyPrefix: 'a' } } }, { code: 'INVALID_OPTION', option: 'redis.client.keyPrefix' }],
    ['a wrong streams string', { group: 'g', streams: 'kafka://localhost' }, { code: 'INVALID_STREAMS_URL' }],
    [
      'an unknown scheme',
      { group: 'g', streams: 'main=amqp://localhost&feedback=redis://localhost' },
      { code: 'UNKNOWN_SCHEME', message: expect.stringContaining('kafka://') },
    ],
    [
      'a main stream in place of a feedback stream',
      { group: 'g', streams: 'main=memory://&feedback=kafka://localhost' },
      { code: 'UNKNOWN_SCHEME' },
    ],
    [
      'a password without TLS',
      { group: 'g', streams: 'main=kafka://user:canary-pass@localhost:9092&feedback=memory://' },
      { code: 'PLAINTEXT_SASL', message: expect.not.stringContaining('canary-pass') },
    ],
  ])('%s is refused', async (_what, options, error) => {
    expect(() => new StreambackClient(options as StreambackOptions)).toThrowError(expect.objectContaining(error));
    await expect(start(Greeter, options)).rejects.toMatchObject(error);
  });

  it.each<[string, () => DynamicModule, object]>([
    [
      'an unknown key of forRootAsync',
      () => StreambackModule.forRootAsync({ usefactory: fresh, useFactory: fresh } as object),
      { option: 'usefactory', remedy: "Did you mean 'useFactory'?" },
    ],
    [
      'a connection that the factory gives',
      () => StreambackModule.forRootAsync({ useFactory: () => ({ ...fresh(), connection: 'audit' }) as StreambackOptions }),
      { option: 'connection', remedy: expect.stringContaining("connection: 'audit'") },
    ],
  ])('%s is refused', async (_what, module, error) => {
    const started = (async () => {
      @Module({ imports: [module()] })
      class AppModule {}
      await NestFactory.createApplicationContext(AppModule, { logger: false, abortOnError: false });
    })();
    await expect(started).rejects.toMatchObject({ code: 'INVALID_OPTION', ...error });
  });

  it('unset streams are refused in production', () => {
    const before = process.env.NODE_ENV;
    process.env.NODE_ENV = 'production';
    try {
      expect(() => new StreambackClient({ group: 'g' })).toThrowError(
        expect.objectContaining({ code: 'INVALID_OPTION', option: 'streams' }),
      );
      expect(() => new StreambackClient({ group: 'g', streams: 'memory://' })).not.toThrow();
    } finally {
      process.env.NODE_ENV = before;
    }
  });
});

it('streams can be instances of one’s own', async () => {
  const name = freshName('own');
  const streams = { main: new MemoryMainStream(name), feedback: new MemoryFeedbackStream(name) };
  expect(await greetings([StreambackModule.forRoot({ group: name, streams })])).toEqual(['hello you', 'bye you']);
  await expect(streams.main.publish({ topic: 'x', key: null, value: null, headers: [] })).rejects.toMatchObject({ code: 'CLOSED' });
});

it('a record builder that was not built is', async () => {
  @Controller()
  class Echo {
    @MessagePattern('echo')
    echo(@Payload() data: unknown, @Ctx() context: StreambackContext): unknown {
      return [data, context.getKey()];
    }
  }
  @Module({ imports: [StreambackModule.forRoot(fresh())], controllers: [Echo] })
  class AppModule {}
  const app = await NestFactory.create(AppModule, { logger: false });
  app.connectMicroservice({ strategy: app.get(StreambackServer) });
  await app.startAllMicroservices();
  const client = app.get(StreambackClient);
  const record = new StreambackRecordBuilder({ a: 1 }).setKey('7');
  const wanted = [{ a: 1 }, '7'];
  expect(await lastValueFrom(client.send('echo', record))).toEqual(wanted);
  expect(await client.open('echo', record).read()).toEqual(wanted);
  expect((await lastValueFrom(client.gather('echo', record, { count: 1, timeoutMs: 5_000 }))).answers[0]?.values).toEqual([wanted]);
  await app.close();
});

it('without a feedback stream only events can be sent', async () => {
  const client = new StreambackClient({ group: 'g', streams: { main: `memory://${freshName('one-way')}` } });
  await lastValueFrom(client.emit('event', {}));
  await expect(lastValueFrom(client.send('request', {}))).rejects.toMatchObject({ code: 'MISSING_CAPABILITY' });
  await client.close();
});
