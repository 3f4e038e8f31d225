import { setTimeout } from 'node:timers/promises';
import { Controller } from '@nestjs/common';
import { Ctx, EventPattern, MessagePattern, Payload } from '@nestjs/microservices';
import { listener, StreambackContext } from 'nestjs-streamback';

@Controller()
export class OrdersController {
  @MessagePattern('orders.ship')
  async *ship(@Payload('parcels') parcels: number, @Ctx() context: StreambackContext) {
    for (let parcel = 1; parcel <= parcels; parcel++) {
      await setTimeout(100, undefined, { signal: context.signal });
      yield `parcel ${parcel}`;
    }
  }

  @EventPattern<string>('orders.paid', listener({ retry: { times: 1, delayMs: 100, jitter: 0 } }))
  paid(@Payload() _order: unknown, @Ctx() context: StreambackContext) {
    if (context.getAttempt() === 1) throw new Error('the books are closed');
  }

  @EventPattern('orders.lost')
  lost(@Payload() _order: unknown) {
    throw new Error('nobody knows where it is');
  }
}
