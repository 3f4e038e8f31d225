import 'reflect-metadata';
import { StreambackClient, type StreambackOptions } from '../../../lib';
import { tell } from './app';
import type { CountAnswer } from './service.app';

/** A client that reads endless streams, every second of which stays silent, until it is killed. */
const options = JSON.parse(process.argv[2]!) as StreambackOptions;
const lanes = Number(process.argv[3]);

const client = new StreambackClient(options);
const reading = new Set<number>();
let answers = 0;

for (let id = 0; id < lanes; id++) {
  const request = id % 2 === 0 ? { id, everyMs: 20 } : { id, firstAfterMs: 3_600_000 };
  client.send<CountAnswer>('count', request).subscribe({
    next: () => {
      reading.add(id);
      answers += 1;
      if (reading.size === Math.ceil(lanes / 2) && answers % 10 === 0) tell({ type: 'reading', answers });
    },
    error: (error: { code?: string }) => tell({ type: 'failed', id, code: error.code ?? 'an error without code' }),
    complete: () => tell({ type: 'failed', id, code: 'silent end' }),
  });
}
tell({ type: 'ready' });
