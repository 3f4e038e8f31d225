import { Logger } from '@nestjs/common';
import { expect, it, vi } from 'vitest';
import { StreambackClient } from '../../lib';
import { feedbackTopicOf, newId } from '../../lib/protocol/keys';
import { MemoryFeedbackStream } from '../../lib/streams/memory/memory.feedback-stream';
import { freshName } from '../support/fresh-name';
import { listsSuite } from './suites/lists.suite';

const name = freshName('lists');
listsSuite('feedback lists in memory', () => `memory://${name}`);

it('NaN in answers is null, and warned of once a connection', async () => {
  const warn = vi.spyOn(Logger.prototype, 'warn').mockImplementation(() => {});
  const [writer, topic] = [new MemoryFeedbackStream(name), feedbackTopicOf(newId())];
  const client = new StreambackClient({ group: 'g', streams: `memory://${name}` });
  const frame = (value: string): Buffer => Buffer.from(`{"event": "response", "source_group": "py", "value": ${value}}`);
  await writer.writeList(topic, [frame('NaN'), frame('[Infinity, 1]'), frame('"NaN"')], 60_000);
  const lane = client.resume(topic);
  expect([await lane.read(), await lane.read(), await lane.read()]).toEqual([null, [null, 1], 'NaN']);
  expect(warn.mock.calls.map(([line]) => String(line))).toEqual([expect.stringContaining('NaN or Infinity')]);
  warn.mockRestore();
  lane.close();
  await Promise.all([client.close(), writer.close()]);
});
