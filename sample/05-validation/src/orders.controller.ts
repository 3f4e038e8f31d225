import { Controller } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { Order } from './order.dto';
import { Receipt } from './receipt.dto';

@Controller()
export class OrdersController {
  @MessagePattern('orders.price')
  price(@Payload() order: Order): Receipt {
    return Object.assign(new Receipt(), { customer: order.customer, cents: order.total(), at: new Date('2026-01-01') });
  }

  @MessagePattern('orders.discount')
  discount(@Payload('cents') cents: number, @Payload('percent') percent: number): number {
    return Math.round(cents * (1 - percent / 100));
  }
}
