import { Injectable } from '@nestjs/common';
import { StreambackScheduleRegistry } from 'nestjs-streamback';
import { filter, firstValueFrom, take, toArray } from 'rxjs';
import { ChecksService } from './checks.service';

@Injectable()
export class TourService {
  constructor(
    private readonly checks: ChecksService,
    private readonly schedules: StreambackScheduleRegistry,
  ) {}

  async tour(): Promise<void> {
    console.log('1. A method and an entry of the options, each second');
    await this.see('check', 2);
    await this.see('cleaned', 1);

    console.log('2. The registry lists them');
    for (const { name, source, cronTime } of await this.schedules.list()) console.log(`   ${name}: '${cronTime}', from ${source}`);

    console.log('3. One is added at run time, and kept for the whole group');
    await this.schedules.add({ name: 'report', cronTime: '* * * * * *', pattern: 'checks.report', data: { title: 'Sales' } });
    await this.see('report', 1);

    console.log('4. One is paused, and triggered by hand');
    await this.schedules.pause('report');
    const seen = this.see('report', 1);
    await this.schedules.trigger('report');
    await seen;

    console.log('5. It is removed');
    await this.schedules.remove('report');
    console.log('  ', (await this.schedules.list()).length, 'are left');
  }

  private async see(what: string, count: number): Promise<void> {
    const lines = this.checks.seen.pipe(
      filter((line) => line.startsWith(what)),
      take(count),
      toArray(),
    );
    for (const line of await firstValueFrom(lines)) console.log('  ', line);
  }
}
