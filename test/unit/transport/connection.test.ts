import { expect, it } from 'vitest';
import type { StreamStatus } from '../../../lib';
import { MemoryFeedbackStream } from '../../../lib/streams/memory/memory.feedback-stream';
import { MemoryMainStream } from '../../../lib/streams/memory/memory.main-stream';
import { StreambackConnection } from '../../../lib/transport/connection';

/** A stream whose status is what it is told. */
function told<Stream extends object>(stream: Stream, first: StreamStatus) {
  const listeners = new Set<(status: StreamStatus) => void>();
  const onStatus = (listener: (status: StreamStatus) => void) => {
    listeners.add(listener);
    listener(first);
    return () => listeners.delete(listener);
  };
  return {
    stream: Object.assign(stream, { onStatus }),
    listeners,
    tell: (status: StreamStatus) => listeners.forEach((each) => each(status)),
  };
}

it.each<[StreamStatus, StreamStatus, StreamStatus]>([
  ['connected', 'connected', 'connected'],
  ['connected', 'disconnected', 'disconnected'],
  ['reconnecting', 'connected', 'reconnecting'],
  ['rebalancing', 'reconnecting', 'reconnecting'],
])('a connection whose streams are %s and %s is %s, from the first that it tells', (one, other, status) => {
  const [main, feedback] = [told(new MemoryMainStream(), one), told(new MemoryFeedbackStream(), other)];
  const connection = new StreambackConnection({ group: 'g', streams: { main: main.stream, feedback: feedback.stream } });
  const seen: StreamStatus[] = [];
  const end = connection.onStatus((each) => seen.push(each));
  expect(seen).toEqual([status]);
  feedback.tell('connected');
  main.tell('connected');
  expect(seen.at(-1)).toBe('connected');
  end();
  expect([main.listeners.size, feedback.listeners.size]).toEqual([0, 0]);
});

it('one that goes one way only is as its main stream', () => {
  const main = told(new MemoryMainStream(), 'connected');
  const seen: StreamStatus[] = [];
  new StreambackConnection({ group: 'g', streams: { main: main.stream } }).onStatus((each) => seen.push(each));
  main.tell('disconnected');
  expect(seen).toEqual(['connected', 'disconnected']);
});
