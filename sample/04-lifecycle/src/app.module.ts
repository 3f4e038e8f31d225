import { Module } from '@nestjs/common';
import { ListenerStats, StreambackModule } from 'nestjs-streamback';
import { Audit } from './audit';
import { OrdersController } from './orders.controller';
import { SlowHandlers } from './slow-handlers';
import { TourService } from './tour.service';

@Module({
  imports: [StreambackModule.forRoot({ group: 'orders', streams: process.env.STREAMBACK_STREAMS ?? 'memory://' })],
  controllers: [OrdersController],
  providers: [
    TourService,
    Audit,
    // Extensions are lifecycle providers, given in Nest's own ways.
    { provide: ListenerStats, useValue: new ListenerStats({ intervalMs: 500, log: false }) },
    { provide: SlowHandlers, useValue: new SlowHandlers({ limitMs: 200 }) },
  ],
})
export class AppModule {}
