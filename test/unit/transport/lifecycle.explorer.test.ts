import { Controller, Inject, Injectable, Logger, Module, Scope, type DynamicModule, type Provider } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Ctx, EventPattern, Payload } from '@nestjs/microservices';
import { lastValueFrom } from 'rxjs';
import { afterEach, describe, expect, it, vi } from 'vitest';
import {
  StreambackClient,
  StreambackContext,
  StreambackLifecycle,
  type StreambackLifecycleHooks,
  StreambackModule,
  StreambackServer,
} from '../../../lib';
import type { Consumer, ConsumerOptions } from '../../../lib/consumer/consumer';
import type { Listener } from '../../../lib/consumer/listener';
import { eventually } from '../../support/eventually';
import { freshName } from '../../support/fresh-name';

describe('@StreambackLifecycle', () => {
  const apps: { close(): Promise<void> }[] = [];
  afterEach(async () => {
    for (const app of apps.splice(0)) await app.close();
  });

  async function start(providers: Provider[], imports: (DynamicModule | (new () => object))[] = []) {
    @Controller()
    class Work {
      @EventPattern<any>(['one', 'two'])
      on(@Payload() _data: unknown, @Ctx() _context: StreambackContext): void {}
    }
    const streams = `memory://${freshName('explorer')}`;
    @Module({ imports: [StreambackModule.forRoot({ group: 'g', streams }), ...imports], controllers: [Work], providers })
    class AppModule {}
    const app = await NestFactory.createMicroservice(AppModule, {
      useFactory: (strategy: StreambackServer) => ({ strategy }),
      inject: [StreambackServer],
      logger: false,
      abortOnError: false,
    });
    apps.push(app);
    await app.listen();
    const emit = (pattern: string) => lastValueFrom(app.get(StreambackClient).emit(pattern, 1), { defaultValue: undefined });
    return { app, emit };
  }

  /** What the consumer of an app tells, and whom. */
  function told(app: { get(token: unknown): unknown }) {
    const { consumer } = app.get(StreambackServer) as { consumer: Consumer };
    const { bound, options } = consumer as unknown as { bound: Map<string, { listener: Listener }>; options: ConsumerOptions };
    return { listeners: new Map([...bound].map(([topic, { listener }]) => [topic, listener.hooks])), connection: options.hooks };
  }

  it('warns of a method whose name is nearly that of a hook', async () => {
    @StreambackLifecycle()
    @Injectable()
    class Misspelt implements StreambackLifecycleHooks {
      onConsumeEnd(): void {}
      onConsumeErr(): void {}
      onModuleInit(): void {}
      onOrderPlaced(): void {}
    }
    const warn = vi.spyOn(Logger.prototype, 'warn').mockImplementation(() => {});
    try {
      await start([Misspelt]);
      const said = warn.mock.calls.map(([line]) => String(line)).filter((line) => line.includes('Misspelt'));
      expect(said).toEqual([expect.stringMatching(/'onConsumeErr'.*Did you mean 'onConsumeError'/)]);
    } finally {
      warn.mockRestore();
    }
  });

  /** Notes the patterns of what begins. */
  class Noting {
    readonly seen: string[] = [];
    onConsumeBegin(context: StreambackContext): void {
      this.seen.push(context.getPattern());
    }
  }

  it('without any, nobody is told of anything', async () => {
    const { app } = await start([]);
    expect([...told(app).listeners.values()]).toEqual([undefined, undefined]);
    expect(told(app).connection).toEqual({ deadLetter: undefined, rebalance: undefined });
  });

  it('a hook that nobody has is not told of, nor is a pattern that nobody asks for', async () => {
    @StreambackLifecycle({ patterns: ['one'] })
    class Named extends Noting {}
    const { app } = await start([Named]);
    const { listeners } = told(app);
    expect(listeners.get('two')).toBeUndefined();
    expect(Object.entries(listeners.get('one')!).filter(([, caller]) => caller)).toEqual([['begin', expect.any(Function)]]);
  });

  it('finds classes, values, factories, controllers and what extends them, in any module, each once', async () => {
    @StreambackLifecycle()
    class Plain extends Noting {}
    class Derived extends Plain {}
    @StreambackLifecycle()
    @Controller()
    class InController extends Noting {}
    @Module({ providers: [Derived], controllers: [InController] })
    class Elsewhere {}
    const value = new Plain();
    const { app, emit } = await start(
      [
        Plain,
        { provide: 'value', useValue: value },
        { provide: 'the same', useValue: value },
        { provide: 'existing', useExisting: Plain },
        { provide: 'factory', useFactory: async () => new Plain() },
        { provide: 'nothing', useValue: null },
        { provide: 'bare', useValue: Object.create(null) as object },
        { provide: 'proxy', useValue: new Proxy({}, { get: () => () => 'anything' }) },
      ],
      [Elsewhere],
    );
    await emit('one');
    const all = [app.get(Plain), value, app.get('factory'), app.get(Derived, { strict: false }), app.get(InController, { strict: false })];
    await eventually('all have seen it', () => all.every((each: Noting) => each.seen.length > 0));
    expect(all.map((each: Noting) => each.seen)).toEqual(all.map(() => ['one']));
  });

  const refusal = async (providers: Provider[]): Promise<unknown> => start(providers).then(() => 'it started', (error: unknown) => error); // prettier-ignore

  it('refuses a pattern that has no handler, a connection that is not there, and options that are wrong', async () => {
    @StreambackLifecycle({ patterns: ['one', 'three'] })
    class NoPattern extends Noting {}
    @StreambackLifecycle({ connection: 'audit' })
    class NoConnection extends Noting {}
    @StreambackLifecycle({ patterns: ['one'], connection: 'default' })
    class Right extends Noting {}
    @StreambackLifecycle({ pattern: ['one'] } as object)
    class Misspelt extends Noting {}
    @StreambackLifecycle({ patterns: [] })
    class Empty extends Noting {}
    expect(await refusal([NoPattern])).toMatchObject({
      code: 'INVALID_OPTION',
      option: 'StreambackLifecycle(NoPattern).patterns',
      message: "'NoPattern' is for the pattern 'three', which has no handler",
      remedy: expect.stringContaining('@MessagePattern'),
    });
    expect(await refusal([NoConnection])).toMatchObject({
      code: 'INVALID_OPTION',
      option: 'StreambackLifecycle(NoConnection).connection',
      remedy: 'Known are: default.',
    });
    expect(await refusal([Misspelt])).toMatchObject({ code: 'INVALID_OPTION', remedy: expect.stringContaining('patterns') });
    expect(await refusal([Empty])).toMatchObject({ code: 'INVALID_OPTION', option: 'StreambackLifecycle(Empty).patterns' });
    expect(await refusal([Right])).toBe('it started');
  });

  it('refuses a class without any hook, also in an app that only sends', async () => {
    class Bare {}
    // Types would not let it pass.
    (StreambackLifecycle() as (target: unknown) => void)(Bare);
    expect(await refusal([Bare])).toMatchObject({
      code: 'INVALID_OPTION',
      option: 'StreambackLifecycle(Bare)',
      remedy: expect.stringContaining('onConsumeBegin'),
    });
    @Module({ imports: [StreambackModule.forRoot({ group: 'g', streams: 'memory://' })], providers: [Bare] })
    class AppModule {}
    const app = await NestFactory.create(AppModule, { logger: false, abortOnError: false });
    await expect(app.init()).rejects.toMatchObject({ code: 'INVALID_OPTION' });
    await app.close();
  });

  it('refuses what is made anew for each request, by itself or by what it injects, or for each that injects it', async () => {
    @StreambackLifecycle()
    @Injectable({ scope: Scope.REQUEST })
    class OfRequest extends Noting {}
    @Injectable({ scope: Scope.REQUEST })
    class Dependency {}
    @StreambackLifecycle()
    @Injectable()
    class Depending extends Noting {
      constructor(@Inject(Dependency) readonly dependency: Dependency) {
        super();
      }
    }
    @StreambackLifecycle()
    @Injectable({ scope: Scope.TRANSIENT })
    class Transient extends Noting {}
    const refused = { code: 'INVALID_OPTION', message: expect.stringContaining('made anew') };
    expect(await refusal([OfRequest])).toMatchObject(refused);
    expect(await refusal([Dependency, Depending])).toMatchObject(refused);
    expect(await refusal([Transient])).toMatchObject(refused);
  });

  it('checks the types of hooks', () => {
    class Right {
      onConsumeBegin(_context: StreambackContext, _more?: number): Promise<number> {
        return Promise.resolve(1);
      }
      anything(_else: string): void {}
    }
    class WrongContext {
      onConsumeBegin(_context: string): void {}
    }
    class Narrower extends StreambackContext {
      readonly tenant = 'a';
    }
    class WrongKind {
      onConsumeError(_context: Narrower): void {}
    }
    class WrongOrder {
      onConsumeError(_error: Error, _context: StreambackContext): void {}
    }
    class NoHook {
      anything(): void {}
    }
    const typed: StreambackLifecycleHooks = new Right();
    StreambackLifecycle()(Right);
    // @ts-expect-error a context is no string
    StreambackLifecycle()(WrongContext);
    // @ts-expect-error contexts are not of a class of one's own
    StreambackLifecycle()(WrongKind);
    // @ts-expect-error the context comes first
    StreambackLifecycle()(WrongOrder);
    // @ts-expect-error none of its methods is a hook
    StreambackLifecycle()(NoHook);
    expect(typed).toBeInstanceOf(Right);
  });
});
