import 'reflect-metadata';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { StreambackModule } from '../../../lib';

/** An app that keeps schedules of each second, on a clock that is wrong. */
const [streams = '', group = '', names = '', skewMs = '0'] = process.argv.slice(2);
const now = Date.now.bind(Date);
Date.now = () => now() + Number(skewMs);

@Module({
  imports: [
    StreambackModule.forRoot({
      group,
      topicsPrefix: group,
      streams,
      schedules: names
        .split(',')
        .map((name) => ({ name, cronTime: '* * * * * *', pattern: 'tick', data: { name }, catchUp: 'all' as const })),
    }),
  ],
})
class AppModule {}

async function main(): Promise<void> {
  await NestFactory.createApplicationContext(AppModule, { logger: ['error', 'warn'] });
  process.send!({ type: 'ready' });
}

void main();
