import 'reflect-metadata';
import { StreambackClient } from '../../../lib';

/** A client that reads endless streams until it is killed. */
const [streams = '', group = '', leaseMs = '5000', count = '1'] = process.argv.slice(2);

const client = new StreambackClient({ group: 'reader', topicsPrefix: group, streams, leaseMs: Number(leaseMs) });
const reading = new Set<number>();
for (let id = 0; id < Number(count); id++) {
  client.send<number>(id % 2 === 0 ? 'endless' : 'silent', String(id)).subscribe({
    next: () => {
      reading.add(id);
      if (reading.size === Math.ceil(Number(count) / 2)) process.send!({ type: 'reading' });
    },
    error: (error: unknown) => process.send!({ type: 'failed', error: String(error) }),
  });
}
