import 'reflect-metadata';
import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Ctx, MessagePattern, Payload } from '@nestjs/microservices';
import { StreambackContext, StreambackModule, StreambackServer } from '../../../lib';

/** A service that streams without end, or stays silent, and tells the test when a handler is stopped. */
const [streams = '', group = '', leaseMs = '5000'] = process.argv.slice(2);

@Controller()
class EndlessController {
  @MessagePattern('endless')
  async *endless(@Payload() id: string, @Ctx() context: StreambackContext): AsyncGenerator<number> {
    context.signal.addEventListener('abort', () =>
      process.send!({ type: 'stopped', id, code: (context.signal.reason as { code: string }).code }),
    );
    for (let n = 0; ; n++) {
      yield n;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  @MessagePattern('silent')
  async silent(@Payload() id: string, @Ctx() context: StreambackContext): Promise<void> {
    process.send!({ type: 'begun', id });
    await new Promise<void>((resolve) => context.signal.addEventListener('abort', () => resolve()));
    process.send!({ type: 'stopped', id, code: (context.signal.reason as { code: string }).code });
  }
}

@Module({
  imports: [
    StreambackModule.forRoot({
      group,
      topicsPrefix: group,
      streams,
      leaseMs: Number(leaseMs),
      kafka: { partitions: 1, consumer: { sessionTimeout: 6_000 } },
    }),
  ],
  controllers: [EndlessController],
})
class AppModule {}

async function main(): Promise<void> {
  const app = await NestFactory.createMicroservice(AppModule, {
    useFactory: (strategy: StreambackServer) => ({ strategy }),
    inject: [StreambackServer],
    logger: ['error', 'warn'],
  });
  await app.listen();
  process.send!({ type: 'ready' });
}

void main();
