import { Module } from '@nestjs/common';
import { StreambackModule } from 'nestjs-streamback';
import { ReportsController } from './reports.controller';
import { ReportsService } from './reports.service';

@Module({
  imports: [StreambackModule.forRoot({ group: 'quickstart', streams: process.env.STREAMBACK_STREAMS ?? 'memory://' })],
  controllers: [ReportsController],
  providers: [ReportsService],
})
export class AppModule {}
