import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { runWorkers, StreambackServer, type WorkerInfo } from 'nestjs-streamback';
import { AppModule } from './app.module';
import { ThumbnailsService } from './thumbnails.service';

/** Runs in the parent, which sends, and in each worker, which handles. */
async function bootstrap(worker?: WorkerInfo) {
  const app = await NestFactory.createMicroservice(AppModule, {
    useFactory: (strategy: StreambackServer) => ({ strategy }),
    inject: [StreambackServer],
    logger: ['log', 'warn', 'error'],
  });
  await app.listen();
  if (!worker) void tour().finally(() => app.close());
  return app;

  // What the parent is there for: usually app.listen(3000), and it stays.
  async function tour() {
    await app.get(ThumbnailsService).tour();
  }
}

void runWorkers(bootstrap, { rescaleIntervalMs: 200 });
