import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { StreambackServer } from 'nestjs-streamback';
import { AppModule } from './app.module';
import { TourService } from './tour.service';

async function bootstrap() {
  const streams = process.env.STREAMBACK_STREAMS;
  if (!streams) {
    console.log(
      "Python needs a real Kafka and Redis: set STREAMBACK_STREAMS to 'main=kafka://localhost:9092&feedback=redis://localhost:6379',",
    );
    console.log('and PYTHON to an interpreter that has streamback==0.5.1.');
    return;
  }
  const app = await NestFactory.createMicroservice(AppModule, {
    useFactory: (strategy: StreambackServer) => ({ strategy }),
    inject: [StreambackServer],
    logger: ['warn', 'error'],
  });
  app.enableShutdownHooks();
  await app.listen();
  await app
    .get(TourService)
    .tour(streams)
    .finally(() => app.close());
}

void bootstrap();
