import 'reflect-metadata';
import { TerminusModule } from '@nestjs/terminus';
import { Test } from '@nestjs/testing';
import { StreambackHealth } from 'nestjs-streamback';
import { StreambackHealthIndicator } from 'nestjs-streamback/terminus';
import { expect, it } from 'vitest';
import { AppModule } from './countdown.js';

it('tells terminus its health', async () => {
  const module = await Test.createTestingModule({
    imports: [AppModule, TerminusModule.forRoot({ logger: false })],
    providers: [StreambackHealthIndicator],
  }).compile();
  const indicator = module.get(StreambackHealthIndicator);
  const { connections } = await module.get(StreambackHealth).ready();
  expect(connections.default?.status).toBe('up');
  expect(await indicator.isReady()).toEqual({ streamback: { status: 'up', connections } });
  expect(await indicator.isLive('streams')).toEqual({ streams: { status: 'up', connections } });
  await module.close();
});
