import { expect, it } from 'vitest';
import type { ScheduleExplorer } from '../../lib/scheduler/schedule.explorer';
import type { StreambackConnections } from '../../lib/streamback.connections';
import { StreambackSchedules } from '../../lib/streamback.schedules';
import { MemoryFeedbackStream } from '../../lib/streams/memory/memory.feedback-stream';
import { MemoryMainStream } from '../../lib/streams/memory/memory.main-stream';
import { StreambackConnection } from '../../lib/transport/connection';
import { StreambackClient } from '../../lib/transport/streamback.client';
import { ticks } from '../support/tick';

/** The schedules of an app that declares none, and how often they were looked up. */
function undeclared() {
  const feedback = new MemoryFeedbackStream();
  const connection = new StreambackConnection({ group: 'g', streams: { main: new MemoryMainStream(), feedback } });
  const looks: string[] = [];
  const { sync } = feedback.schedules;
  feedback.schedules.sync = (group, names) => (looks.push(group), sync.call(feedback.schedules, group, names));
  const client = new StreambackClient(connection);
  const connections = { all: () => [connection], get: () => connection, client: () => client } as unknown as StreambackConnections;
  const schedules = new StreambackSchedules(connections, { explore: () => [] } as unknown as ScheduleExplorer);
  return { schedules, looks };
}

it('takes part once somebody asks for the registry', async () => {
  const { schedules, looks } = undeclared();
  schedules.start();
  await ticks(4);
  expect(looks).toEqual([]);
  schedules.of(undefined);
  await ticks(4);
  expect(looks).toEqual(['g']);
  await schedules.end();
});

it('takes no part any more for whoever asks first when all has ended', async () => {
  const { schedules, looks } = undeclared();
  schedules.start();
  await schedules.end();
  const scheduler = schedules.of(undefined);
  await ticks(4);
  expect(looks).toEqual([]);
  expect(await scheduler.list()).toEqual([]);
});
