import { afterEach, describe, expect, it } from 'vitest';
import { takeProcessRole, type SupervisedServer } from '../../../lib/common/process-role';
import { DEFAULT_LISTENER_OPTIONS, type Listener } from '../../../lib/consumer/listener';
import { MemoryMainStream } from '../../../lib/streams/memory/memory.main-stream';
import type { MainStream } from '../../../lib/streams/main-stream';
import { assignedListeners, endWorkers } from '../../../lib/transport/assigned-listeners';
import { StreambackConnection } from '../../../lib/transport/connection';
import { RecordingLogger } from '../../support/recording-logger';

const listenerTo = (pattern: string, processes?: number): Listener => ({
  pattern,
  topic: `app.${pattern}`,
  options: { ...DEFAULT_LISTENER_OPTIONS, deadLetterTopic: undefined, processes },
  handle: () => undefined,
});

const LISTENERS = [listenerTo('a'), listenerTo('b', 2)];

function connectionTo(main: MainStream, connection = 'default') {
  const logger = new RecordingLogger();
  const made = new StreambackConnection({ group: 'g', connection, streams: { main } });
  return { connection: Object.assign(made, { logger }), logger };
}

/** A stream whose messages other processes see, too. */
const durable = (more: Partial<MainStream> = {}): MainStream => {
  const stream = new MemoryMainStream();
  return Object.assign(stream, { capabilities: { ...stream.capabilities, durable: true } }, more);
};

const patterns = (listeners: readonly Listener[]): string[] => listeners.map(({ pattern }) => pattern);

describe('assignedListeners', () => {
  afterEach(() => takeProcessRole({ kind: 'alone' }));

  it('are all without runWorkers, with a warning where processes are asked for', async () => {
    const { connection, logger } = connectionTo(durable());
    expect(patterns(assignedListeners(connection, LISTENERS))).toEqual(['a', 'b']);
    expect(assignedListeners(connection, [listenerTo('a')])).toHaveLength(1);
    expect(logger.lines).toEqual(["warn 'processes' of 'b' has no effect: start the app by runWorkers(bootstrap) in main.ts"]);
    await endWorkers();
  });

  it('are those that a worker was assigned, of its own connection', () => {
    const assignment = {
      id: 1,
      counter: 0,
      patterns: ['a', 'b'],
      endWithinMs: 1,
      listeners: [
        ['default', 'b'],
        ['audit', 'a'],
      ] as const,
    };
    takeProcessRole({ kind: 'worker', assignment });
    expect(patterns(assignedListeners(connectionTo(durable()).connection, LISTENERS))).toEqual(['b']);
    expect(patterns(assignedListeners(connectionTo(durable(), 'audit').connection, LISTENERS))).toEqual(['a']);
    expect(patterns(assignedListeners(connectionTo(durable(), 'other').connection, LISTENERS))).toEqual([]);
  });

  describe('in a supervisor', () => {
    const supervising = () => {
      const servers: SupervisedServer[] = [];
      let ended = 0;
      const supervisor = {
        supervise: (server: SupervisedServer) => void servers.push(server),
        onTick: () => undefined,
        end: async () => void (ended += 1),
      };
      takeProcessRole({ kind: 'supervisor', supervisor });
      return { servers, ended: () => ended };
    };

    it('are none: the supervisor is told of them, and of what the stream can tell', async () => {
      const { servers, ended } = supervising();
      const lag = async (group: string, topics: readonly string[]) => new Map(topics.map((topic) => [topic, group === 'g' ? 3 : 0]));
      const partitions = async (topics: readonly string[]) => new Map(topics.map((topic) => [topic, 2]));
      const { connection } = connectionTo(durable({ lag, partitions }));
      expect(assignedListeners(connection, LISTENERS)).toEqual([]);
      const [server] = servers;
      expect(server).toMatchObject({
        connection: 'default',
        drainTimeoutMs: 8_000,
        tellsLag: true,
        listeners: [
          { pattern: 'a', topic: 'app.a', processes: undefined },
          { pattern: 'b', topic: 'app.b', processes: 2 },
        ],
      });
      expect([await server!.lag(['x', 'y']), await server!.partitions(['x', 'y'])]).toEqual([6, 4]);
      await server!.prepare(['x']);
      await endWorkers();
      expect(ended()).toBe(1);
    });

    it('tell nothing where the stream does not', async () => {
      const { servers } = supervising();
      assignedListeners(connectionTo(durable({ lag: undefined as never })).connection, LISTENERS);
      expect(servers[0]!.tellsLag).toBe(false);
      expect([await servers[0]!.lag(['x']), await servers[0]!.partitions(['x'])]).toEqual([0, Infinity]);
    });

    it('are all on memory streams, with a warning', () => {
      const { servers } = supervising();
      const { connection, logger } = connectionTo(new MemoryMainStream());
      expect(patterns(assignedListeners(connection, LISTENERS))).toEqual(['a', 'b']);
      expect(servers).toEqual([]);
      expect(logger.having('Workers share no memory streams')).toHaveLength(1);
    });
  });
});
