import { Injectable, Module } from '@nestjs/common';
import { CronMessage, StreambackModule } from '../../../lib';

// #region schedule
@Module({
  imports: [
    StreambackModule.forRoot({
      group: 'example_consumer_app',
      streams: process.env.STREAMBACK_STREAMS,
      schedules: [
        {
          name: 'check_the_server_status',
          cronTime: '*/30 * * * * *',
          pattern: 'check_server_status',
          data: { something1: 'hello there' },
          description: 'test the schedule blabla bla',
          weekdays: 'python', // 0 is Monday; without it 0 and 7 are Sunday, as cron has it
        },
      ],
    }),
  ],
})
export class ScheduledModule {}

@Injectable()
export class StatusChecks {
  @CronMessage('*/30 * * * * *', 'check_server_status')
  check(): { something1: string } {
    return { something1: 'hello there' };
  }
}
// #endregion
