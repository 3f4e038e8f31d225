/** Kafka's numbers for the requests that are answered only when other members have sent theirs. */
const JOIN_GROUP = 11;
const SYNC_GROUP = 14;
/** kafkajs has two connections to a broker: this one for fetches, and one for all else. */
const FETCH_CONNECTION = 1;

export interface ProtocolRequest {
  readonly request: { readonly apiKey: number; readonly apiVersion?: number };
  readonly response?: { readonly decode: (payload: Buffer) => Promise<unknown> };
}

interface Connection {
  send(request: ProtocolRequest): Promise<unknown>;
  rejectRequests(error: Error): void;
}

/** What this needs of kafkajs' connections to a broker. */
export interface ConnectionPool {
  send(request: ProtocolRequest): Promise<unknown>;
  getConnection(index: number): Promise<Connection>;
}

export interface JoinConnectionHooks {
  /** Throws where no more joins may be sent. */
  readonly beforeJoin: () => void;
  /** The broker knows us by this from now on, and waits for our join. */
  readonly onNamed: (memberId: string) => void;
}

/**
 * Where a member waits for the others of its group: for their joins, up to the rebalance timeout, and for what the leader assigns.
 * A broker reads the next request of a connection only when it has answered the one before, so commits and the leaving would wait
 * behind a join, and be lost with the connection at the end of the process. So a join takes the connection of the fetches, which
 * rests meanwhile: kafkajs ends all fetches before it joins.
 */
export class JoinConnection {
  private readonly pools = new WeakSet<ConnectionPool>();
  /** The answers that are waited for. */
  private readonly waiting = new Map<Connection, Promise<unknown>>();

  constructor(private readonly hooks: JoinConnectionHooks) {}

  /** An answer is waited for. */
  get busy(): boolean {
    return this.waiting.size > 0;
  }

  /** Has joins to the broker of these connections wait apart. */
  attach(pool: ConnectionPool): void {
    if (this.pools.has(pool)) return;
    this.pools.add(pool);
    const send = pool.send.bind(pool);
    pool.send = async (request) => {
      const { apiKey } = request.request;
      if (apiKey !== JOIN_GROUP && apiKey !== SYNC_GROUP) return send(request);
      const connection = await pool.getConnection(FETCH_CONNECTION);
      if (apiKey === JOIN_GROUP) this.hooks.beforeJoin();
      const answer = connection.send(request);
      this.waiting.set(connection, answer);
      try {
        return await answer;
      } catch (error) {
        const { name, memberId } = error as { name?: string; memberId?: string };
        if (name === 'KafkaJSMemberIdRequired') this.hooks.onNamed(memberId!);
        throw error;
      } finally {
        this.waiting.delete(connection);
      }
    };
  }

  /** Settles when what is waited for now was answered, or failed. Never rejects. */
  async answered(): Promise<void> {
    await Promise.allSettled(this.waiting.values());
  }

  /** Has all that is waited for fail. */
  cut(reason: Error): void {
    for (const connection of this.waiting.keys()) connection.rejectRequests(reason);
  }
}
