import { setTimeout } from 'node:timers/promises';
import { Controller } from '@nestjs/common';
import { Ctx, EventPattern, MessagePattern, Payload, RpcException } from '@nestjs/microservices';
import { listener, StreambackContext } from 'nestjs-streamback';

@Controller()
export class ReportsController {
  @EventPattern('reports.requested')
  requested(@Payload('title') title: string) {
    console.log(`   (the consumer was told of '${title}')`);
  }

  @MessagePattern('reports.count')
  count(): number {
    return 42;
  }

  @MessagePattern('reports.build', listener({ concurrency: 8 }))
  async *build(@Payload('pages') pages: number, @Ctx() context: StreambackContext) {
    try {
      for (let page = 1; page <= pages; page++) {
        await setTimeout(200, undefined, { signal: context.signal });
        yield `page ${page}`;
      }
    } finally {
      if (context.signal.aborted) console.log('   (the handler was stopped)');
    }
  }

  @MessagePattern('reports.print')
  print(): never {
    throw new RpcException('The printer is on fire');
  }
}
