import 'reflect-metadata';
import type { INestMicroservice } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { ListenerStats, StreambackClient, StreambackLifecycle, StreambackServer } from 'nestjs-streamback';
import type { ConsumeResult, StreambackContext, StreambackLifecycleHooks, WorkerStats } from 'nestjs-streamback';
import { lastValueFrom } from 'rxjs';
import { AppModule } from './countdown';

@StreambackLifecycle({ patterns: ['countdown.start'] })
class Audit implements StreambackLifecycleHooks {
  readonly seen: string[] = [];
  readonly stats: Promise<WorkerStats>;
  private tell: (stats: WorkerStats) => void = () => undefined;

  constructor() {
    this.stats = new Promise((resolve) => (this.tell = resolve));
  }
  onConsumeBegin(context: StreambackContext) {
    this.seen.push(`begin ${context.getPattern()}`);
  }
  async onConsumeEnd(_context: StreambackContext, { status, answers }: ConsumeResult) {
    this.seen.push(`${status} ${answers}`);
  }
  onStats(stats: WorkerStats) {
    if (stats.listeners.some(({ handled }) => handled > 0)) this.tell(stats);
  }
}

let app: INestMicroservice;

beforeAll(async () => {
  const stats = { provide: ListenerStats, useValue: new ListenerStats({ intervalMs: 100, log: false }) };
  const module = await Test.createTestingModule({ imports: [AppModule], providers: [Audit, stats] }).compile();
  app = module.createNestMicroservice({ strategy: module.get(StreambackServer), logger: false });
  await app.listen();
});

afterAll(() => app?.close());

it('calls the hooks of a provider, and measures', async () => {
  await lastValueFrom(app.get(StreambackClient).send('countdown.start', { from: 3 }));
  const { listeners } = await app.get(Audit).stats;
  expect(listeners).toMatchObject([{ connection: 'default', pattern: 'countdown.start', handled: 1, failed: 0 }]);
  expect(app.get(Audit).seen).toEqual(['begin countdown.start', 'done 3']);
});
