import 'reflect-metadata';
import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { StreambackModule, StreambackServer } from '../../../lib';

/** A service whose answers say who gave them: it counts, and can be killed in the middle. */
const [streams = '', group = '', leaseMs = '5000', name = ''] = process.argv.slice(2);

@Controller()
class CountingController {
  @MessagePattern('count')
  async *count(@Payload() { upTo, everyMs }: { upTo: number; everyMs: number }): AsyncGenerator<{ name: string; n: number }> {
    for (let n = 0; n < upTo; n++) {
      yield { name, n };
      await new Promise((resolve) => setTimeout(resolve, everyMs));
    }
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
  controllers: [CountingController],
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
