import { Controller } from '@nestjs/common';
import { EventPattern, Payload } from '@nestjs/microservices';
import { ChecksService } from './checks.service';

@Controller()
export class ChecksController {
  constructor(private readonly checks: ChecksService) {}

  @EventPattern<string>('checks.status')
  status(@Payload('check') check: number) {
    this.checks.seen.next(`check ${check}`);
  }

  @EventPattern<string>('checks.clean')
  clean(@Payload('all') all: boolean) {
    this.checks.seen.next(`cleaned ${all ? 'all' : 'some'}`);
  }

  @EventPattern<string>('checks.report')
  report(@Payload('title') title: string) {
    this.checks.seen.next(`report '${title}'`);
  }
}
