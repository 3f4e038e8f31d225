import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { StreambackServer } from 'nestjs-streamback';
import { AppModule } from './app.module';
import { TourService } from './tour.service';

async function bootstrap() {
  const app = await NestFactory.createMicroservice(AppModule, {
    useFactory: (strategy: StreambackServer) => ({ strategy }),
    inject: [StreambackServer],
    // What fails here does so on purpose, and the audit tells of it.
    logger: false,
  });
  app.enableShutdownHooks();
  await app.listen();
  await app
    .get(TourService)
    .tour()
    .finally(() => app.close());
}

void bootstrap();
