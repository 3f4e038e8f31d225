import { Module } from '@nestjs/common';
import { CronExpression, StreambackModule } from 'nestjs-streamback';
import { ChecksController } from './checks.controller';
import { ChecksService } from './checks.service';
import { TourService } from './tour.service';

@Module({
  imports: [
    StreambackModule.forRoot({
      group: 'schedules',
      streams: process.env.STREAMBACK_STREAMS ?? 'memory://',
      schedules: [{ name: 'clean', cronTime: CronExpression.EVERY_SECOND, pattern: 'checks.clean', data: { all: true } }],
    }),
  ],
  controllers: [ChecksController],
  providers: [ChecksService, TourService],
})
export class AppModule {}
