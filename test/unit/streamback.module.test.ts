import { Controller, Injectable, Module, type OnModuleInit } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { MessagePattern } from '@nestjs/microservices';
import { lastValueFrom } from 'rxjs';
import { describe, expect, it } from 'vitest';
import {
  getStreambackClientToken,
  StreambackClient,
  StreambackModule,
  type StreambackModuleAsyncOptions,
  type StreambackModuleOptions,
  type StreambackOptions,
  StreambackServer,
} from '../../lib';
import { freshName } from '../support/fresh-name';

describe('forRootAsync, where the options name a connection as well', () => {
  const started = async (named: string, connection?: string) => {
    const options: StreambackOptions = { group: 'g', streams: `memory://${freshName('module')}`, connection: named };
    class Settings {
      createStreambackOptions(): StreambackOptions {
        return options;
      }
    }
    @Module({ imports: [StreambackModule.forRootAsync({ connection, useClass: Settings })] })
    class AppModule {}
    return NestFactory.createApplicationContext(AppModule, { logger: false, abortOnError: false });
  };

  it.each([
    ['audit', undefined],
    ['default', 'audit'],
  ])("refuses '%s' where it is registered as %s", async (named, connection) => {
    await expect(started(named, connection)).rejects.toMatchObject({
      code: 'INVALID_OPTION',
      option: 'connection',
      message: expect.stringContaining(`'${named}'`),
      remedy: expect.stringContaining('beside the factory'),
    });
  });

  it('takes the same name', async () => {
    const app = await started('audit', 'audit');
    expect(app.get(getStreambackClientToken('audit'))).toBeInstanceOf(StreambackClient);
    await app.close();
  });
});

describe('what is said of a connection beside its options', () => {
  const useFactory = (): StreambackOptions => ({ group: 'g', streams: 'memory://' });
  const refused = (option: string) => expect.objectContaining({ code: 'INVALID_OPTION', option });

  it.each([
    [{ conection: 'audit', useFactory }, 'conection'],
    [{ isglobal: true, useFactory }, 'isglobal'],
    [{ isGlobal: 'yes', useFactory }, 'isGlobal'],
    [{ connection: '', useFactory }, 'connection'],
    [{ useFactory: {} }, 'useFactory'],
    [{ useClass: 'Settings' }, 'useClass'],
    [{}, ''],
  ])('forRootAsync refuses %o', (options, option) => {
    expect(() => StreambackModule.forRootAsync(options as StreambackModuleAsyncOptions)).toThrow(refused(option));
  });

  it('forRoot refuses an isGlobal that is no boolean', () => {
    const options = { ...useFactory(), isGlobal: 'yes' } as unknown as StreambackModuleOptions;
    expect(() => StreambackModule.forRoot(options)).toThrow(refused('isGlobal'));
  });

  it('what is left out by undefined is no mistake', () => {
    expect(StreambackModule.forRootAsync({ connection: undefined, isGlobal: undefined, useFactory }).global).toBe(false);
    expect(StreambackModule.forRoot({ ...useFactory(), isGlobal: undefined }).global).toBe(false);
  });
});

it('in a hybrid app, init() has providers ready before handlers are called', async () => {
  @Injectable()
  class Store implements OnModuleInit {
    isReady = false;
    onModuleInit(): void {
      this.isReady = true;
    }
  }
  @Controller()
  class Asked {
    constructor(private readonly store: Store) {}
    @MessagePattern('ready')
    ready(): boolean {
      return this.store.isReady;
    }
  }
  const streams = `memory://${freshName('module')}`;
  @Module({ imports: [StreambackModule.forRoot({ group: 'g', streams })], controllers: [Asked], providers: [Store] })
  class AppModule {}
  const app = await NestFactory.create(AppModule, { logger: false });
  app.connectMicroservice({ strategy: app.get(StreambackServer) }, { inheritAppConfig: true });
  await app.init();
  await app.startAllMicroservices();
  expect(await lastValueFrom(app.get(StreambackClient).send<boolean>('ready', 1))).toBe(true);
  await app.close();
});
