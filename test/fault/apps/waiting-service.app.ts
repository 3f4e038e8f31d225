import 'reflect-metadata';
import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { EventPattern, MessagePattern, Payload } from '@nestjs/microservices';
import { firstValueFrom, type Observable } from 'rxjs';
import { StreambackClient, StreambackHealth, StreambackModule, StreambackRecordBuilder, StreambackServer } from '../../../lib';

/** A service that starts, with servers or without, and does what the test asks: tells its health, calls itself, closes. */
const [streams = '', group = ''] = process.argv.slice(2);

@Controller()
class EchoController {
  @MessagePattern('echo')
  echo(@Payload() id: string): string {
    return id;
  }

  @EventPattern('noted')
  noted(@Payload() id: string): void {
    process.send!({ type: 'noted', id });
  }
}

@Module({
  imports: [
    StreambackModule.forRoot({
      group,
      topicsPrefix: group,
      streams,
      publishTimeoutMs: 5_000,
      drainTimeoutMs: 1_000,
      kafka: { partitions: 1, consumer: { sessionTimeout: 6_000 } },
    }),
  ],
  controllers: [EchoController],
})
class AppModule {}

const codeOf = (error: { code?: string; message?: string }) => ({ code: error.code ?? error.message });

async function outcomeOf(answer: Observable<unknown>): Promise<object> {
  const startedAt = performance.now();
  const outcome = await firstValueFrom(answer, { defaultValue: undefined }).then((value) => ({ value }), codeOf);
  return { ...outcome, ms: Math.round(performance.now() - startedAt) };
}

async function main(): Promise<void> {
  const app = await NestFactory.create(AppModule, { logger: ['error', 'warn', 'log'], abortOnError: false });
  const [client, health] = [app.get(StreambackClient), app.get(StreambackHealth)];
  process.on('message', ({ type, id, timeoutMs }: { type: string; id?: string; timeoutMs?: number }) => {
    const tell = (message: object): void => void process.send!({ type, ...message });
    if (type === 'health') void Promise.all([health.ready(), health.live()]).then(([ready, live]) => tell({ ready, live }));
    if (type === 'connect')
      void client
        .connect()
        .then(() => ({}), codeOf)
        .then(tell);
    if (type === 'emit') void outcomeOf(client.emit('noted', id)).then(tell);
    if (type === 'send') void outcomeOf(client.send('echo', new StreambackRecordBuilder(id).setTimeoutMs(timeoutMs!).build())).then(tell);
    // Nothing of the app may hold the process from then on.
    if (type === 'close') void app.close().then(() => process.disconnect());
  });
  const startedAt = performance.now();
  app.connectMicroservice({ strategy: app.get(StreambackServer) });
  const failed = await app.startAllMicroservices().then(() => undefined, codeOf);
  process.send!({ type: 'started', failure: failed?.code, ms: Math.round(performance.now() - startedAt) });
}

void main();
