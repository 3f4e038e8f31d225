import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { expect, it } from 'vitest';
import { type MainStream, StreambackDeadLetters, StreambackModule } from '../../lib';
import { MemoryMainStream } from '../../lib/streams/memory/memory.main-stream';
import { freshName } from '../support/fresh-name';
import { deadLettersSuite } from './suites/dead-letters.suite';

const name = freshName('letters');

deadLettersSuite(
  'dead letters on memory',
  () => `memory://${name}`,
  () => new MemoryMainStream(name),
);

it('a stream that cannot be scanned says so', async () => {
  const main: MainStream = Object.assign(new MemoryMainStream(freshName('plain')), { scan: undefined });
  @Module({ imports: [StreambackModule.forRoot({ group: 'plain', streams: { main } })] })
  class AppModule {}
  const app = await NestFactory.createApplicationContext(AppModule, { logger: false });
  await expect(app.get(StreambackDeadLetters).replay('orders')).rejects.toMatchObject({ code: 'MISSING_CAPABILITY' });
  await app.close();
});
