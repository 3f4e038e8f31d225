import { describe, it } from 'vitest';
import { MemoryMainStream } from '../../lib/streams/memory/memory.main-stream';
import { testMainStream } from '../../lib/testing/main-stream.contract';
import { freshName } from '../support/fresh-name';

testMainStream({
  name: 'memory',
  runner: { describe, it },
  create: () => {
    const name = freshName('contract');
    return Promise.resolve({
      stream: new MemoryMainStream(name),
      another: () => new MemoryMainStream(name),
      topic: () => freshName('contract'),
    });
  },
});
