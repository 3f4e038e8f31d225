import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { describe, expect, it } from 'vitest';
import { getStreambackClientToken, StreambackClient, StreambackModule, type StreambackOptions } from '../../lib';
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
