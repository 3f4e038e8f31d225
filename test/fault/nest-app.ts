import { Module, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { StreambackModule, StreambackServer, type StreambackModuleOptions } from '../../lib';

/** Full sizes on demand; small ones in CI. */
export const FULL_SIZE = process.env.STREAMBACK_FULL === '1';

/** A Nest microservice in this process. */
export interface NestService {
  close(): Promise<void>;
}

export async function startService(options: StreambackModuleOptions, controller: Type<unknown>): Promise<NestService> {
  @Module({ imports: [StreambackModule.forRoot(options)], controllers: [controller] })
  class AppModule {}
  const app = await NestFactory.createMicroservice(AppModule, {
    useFactory: (strategy: StreambackServer) => ({ strategy }),
    inject: [StreambackServer],
    logger: false,
  });
  await app.listen();
  return app;
}

/** The value below which so great a share of the values lies. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((one, two) => one - two);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? NaN;
}
