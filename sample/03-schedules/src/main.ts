import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { StreambackServer } from 'nestjs-streamback';
import { AppModule } from './app.module';
import { TourService } from './tour.service';

async function bootstrap() {
  const app = await NestFactory.createMicroservice(AppModule, {
    useFactory: (strategy: StreambackServer) => ({ strategy }),
    inject: [StreambackServer],
    logger: ['warn', 'error'],
  });
  app.enableShutdownHooks();
  await app.listen();
  await app
    .get(TourService)
    .tour()
    .finally(() => app.close());
}

void bootstrap();
