import 'reflect-metadata';
import { setTimeout as pause } from 'node:timers/promises';
import { StreambackClient, type StreambackOptions } from '../../../lib';
import { answerState, tell } from './app';
import type { CountAnswer, CountRequest } from './service.app';

/** Reads a stream as fast as it can, to see how fast its generator could write, and then another one a hundred times slower. */
const options = JSON.parse(process.argv[2]!) as StreambackOptions;
const request = JSON.parse(process.argv[3]!) as CountRequest;
const MEASURE_MS = 3_000;
const EVERY_MS = 20;

let read = 0;
let outOfOrder = 0;

async function main(): Promise<void> {
  const client = new StreambackClient(options);
  await client.connect();
  tell({ type: 'ready' });
  answerState(() => ({ read, outOfOrder }));

  const fast = client.open<CountAnswer>('count', request);
  await fast.read();
  const startedAt = performance.now();
  let count = 0;
  while (performance.now() - startedAt < MEASURE_MS) {
    await fast.read();
    count += 1;
  }
  fast.close();
  const perSecond = Math.round(count / (MEASURE_MS / 1_000));
  // Its last frames, and what was borrowed for it, are gone by then.
  await pause(1_000);

  const slow = client.open<CountAnswer>('count', request);
  await slow.read().then((answer) => (outOfOrder += answer!.n === read++ ? 0 : 1));
  tell({ type: 'slow', perSecond });
  const began = performance.now();
  for (;;) {
    await pause(EVERY_MS);
    const due = ((performance.now() - began) / 1_000) * (perSecond / 100);
    while (read < due) {
      const answer = await slow.read();
      if (answer?.n !== read) outOfOrder += 1;
      read += 1;
    }
  }
}

void main();
