import { expect, it } from 'vitest';
import { type ConnectionPool, JoinConnection } from '../../../../lib/streams/kafka/kafka.join-connection';

const [JOIN_GROUP, SYNC_GROUP, HEARTBEAT] = [11, 14, 12];
const request = (apiKey: number) => ({ request: { apiKey } });

/** kafkajs' two connections to a broker: each request waits until it is told. */
function connections() {
  const open: { connection: number; apiKey: number; resolve: (answer: unknown) => void; reject: (error: Error) => void }[] = [];
  const connection = (index: number) => ({
    send: ({ request: { apiKey } }: { request: { apiKey: number } }) =>
      new Promise<unknown>((resolve, reject) => open.push({ connection: index, apiKey, resolve, reject })),
    rejectRequests: (error: Error) => open.filter((each) => each.connection === index).forEach(({ reject }) => reject(error)),
  });
  const both = [connection(0), connection(1)] as const;
  const pool: ConnectionPool = { send: (each) => both[0].send(each), getConnection: (index) => Promise.resolve(both[index]!) };
  return { pool, open };
}

function joining() {
  const named: string[] = [];
  const state = { refused: false };
  const joins = new JoinConnection({
    beforeJoin: () => {
      if (state.refused) throw new Error('no more');
    },
    onNamed: (memberId) => named.push(memberId),
  });
  const { pool, open } = connections();
  joins.attach(pool);
  joins.attach(pool);
  return { joins, open, named, state, pool };
}

it('what waits for other members has the connection of the fetches, all else goes past it', async () => {
  const { joins, open, pool } = joining();
  const answers = [JOIN_GROUP, SYNC_GROUP, HEARTBEAT].map((apiKey) => pool.send(request(apiKey)));
  await expect.poll(() => open.length).toBe(3);
  expect(open.map(({ apiKey, connection }) => [apiKey, connection]).sort()).toEqual([
    [JOIN_GROUP, 1],
    [HEARTBEAT, 0],
    [SYNC_GROUP, 1],
  ]);
  expect(joins.busy).toBe(true);
  for (const { apiKey, resolve } of open) resolve(apiKey);
  expect(await Promise.all(answers)).toEqual([JOIN_GROUP, SYNC_GROUP, HEARTBEAT]);
  expect(joins.busy).toBe(false);
});

it('a cut ends what waits, and nothing else', async () => {
  const { joins, open, pool } = joining();
  const join = pool.send(request(JOIN_GROUP));
  const heartbeat = pool.send(request(HEARTBEAT));
  await expect.poll(() => open.length).toBe(2);
  joins.cut(new Error('leaving'));
  await expect(join).rejects.toThrow('leaving');
  await joins.answered();
  open.find(({ apiKey }) => apiKey === HEARTBEAT)!.resolve('alive');
  expect(await heartbeat).toBe('alive');
});

it('hears of the name that a first join is refused with, and sends no join where none may be sent', async () => {
  const { open, named, state, pool } = joining();
  const first = pool.send(request(JOIN_GROUP));
  await expect.poll(() => open.length).toBe(1);
  open[0]!.reject(Object.assign(new Error('a name is needed'), { name: 'KafkaJSMemberIdRequired', memberId: 'm1' }));
  await expect(first).rejects.toThrow('a name is needed');
  expect(named).toEqual(['m1']);
  state.refused = true;
  await expect(pool.send(request(JOIN_GROUP))).rejects.toThrow('no more');
  expect(open).toHaveLength(1);
});
