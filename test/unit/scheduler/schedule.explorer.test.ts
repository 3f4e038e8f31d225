import { Injectable, Scope, type Provider } from '@nestjs/common';
import { DiscoveryModule } from '@nestjs/core';
import { Test } from '@nestjs/testing';
import { expect, it } from 'vitest';
import { CronMessage } from '../../../lib';
import type { ScheduleEntry } from '../../../lib/scheduler/schedule-entry';
import { ScheduleExplorer } from '../../../lib/scheduler/schedule.explorer';

const FAR = '0 0 0 1 1 *';

async function explored(...providers: Provider[]): Promise<readonly ScheduleEntry[]> {
  const module = await Test.createTestingModule({ imports: [DiscoveryModule], providers: [ScheduleExplorer, ...providers] }).compile();
  return module.get(ScheduleExplorer).explore();
}

@Injectable()
class Cleaner {
  @CronMessage(FAR, 'clean')
  clean(): string {
    return 'all';
  }
}

it('finds each method once, with the name of its class', async () => {
  const entries = await explored(Cleaner, { provide: 'same', useExisting: Cleaner });
  expect(entries.map(({ options, produce }) => [options.name, produce()])).toEqual([['Cleaner.clean', 'all']]);
});

it.each([Scope.REQUEST, Scope.TRANSIENT])(
  'refuses a provider of scope %s: there is not one whose method could be called',
  async (scope) => {
    @Injectable({ scope })
    class Anew extends Cleaner {}
    await expect(explored(Anew)).rejects.toMatchObject({ code: 'INVALID_SCHEDULE', message: expect.stringContaining("'Anew'") });
  },
);

it('passes over what an instance has put in the place of a method', async () => {
  class Once extends Cleaner {
    constructor() {
      super();
      Object.assign(this, { clean: undefined });
    }
  }
  expect(await explored(Once, { provide: 'mock', useValue: Object.assign(new Cleaner(), { clean: 'done' }) })).toEqual([]);
});
