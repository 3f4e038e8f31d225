import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';

/** Stands between a client and a server, and does to their connections what networks do. */
export interface TcpProxy {
  readonly port: number;
  /** Connections that are open now, and all that were ever accepted. */
  readonly connections: number;
  readonly accepted: number;
  /** Resets every open connection; new ones are taken. */
  cutAll(): void;
  /** Resets the connection that brings the server's next chunk, once the client has the first `share` of it: amid an answer. */
  cutInAnswer(share: number): void;
  /** Resets every open connection and each new one, until `resume()`: the server seems gone. */
  refuse(): void;
  /** No byte passes in either direction, while connections stay open and new ones are accepted, until `resume()`. */
  stall(): void;
  /** Ends `stall()`, `refuse()`, `delay()` and `cutInAnswer()`. */
  resume(): void;
  /** Every chunk, in each direction, arrives `ms` later. */
  delay(ms: number): void;
  close(): Promise<void>;
}

export interface TcpProxyOptions {
  readonly targetPort: number;
  /** @default '127.0.0.1' */
  readonly targetHost?: string;
  /** @default a free one */
  readonly port?: number;
}

const CUT_DELAY_MS = 20;

/** Starts a proxy on 127.0.0.1 before a server's port. */
export async function startTcpProxy({ targetPort, targetHost = '127.0.0.1', port = 0 }: TcpProxyOptions): Promise<TcpProxy> {
  const pairs = new Set<readonly [Socket, Socket]>();
  let accepted = 0;
  let refusing = false;
  let delayMs = 0;
  let cutShare: number | undefined;
  let stalled: Promise<void> | undefined;
  let endStall: () => void = () => undefined;

  async function pump(from: Socket, to: Socket, fromServer: boolean): Promise<void> {
    try {
      // Reading as an iterator keeps the order under any delay, and leaves unread bytes to the kernel: a stall fills its windows.
      for await (const chunk of from as AsyncIterable<Buffer>) {
        if (delayMs > 0) await pause(delayMs);
        while (stalled) await stalled;
        if (fromServer && cutShare !== undefined && chunk.length > 1) {
          to.write(chunk.subarray(0, Math.min(Math.max(1, Math.floor(chunk.length * cutShare)), chunk.length - 1)));
          cutShare = undefined;
          // A reset overtakes what the client has not read yet.
          await pause(CUT_DELAY_MS);
          for (const socket of [from, to]) socket.resetAndDestroy();
          return;
        }
        if (!to.write(chunk)) await new Promise<void>((resolve) => void to.once('drain', resolve).once('close', resolve));
      }
      while (stalled) await stalled;
      to.end();
    } catch {
      from.destroy();
      to.destroy();
    }
  }

  function cutAll(): void {
    for (const pair of pairs) for (const socket of pair) socket.resetAndDestroy();
    pairs.clear();
  }

  const server = createServer({ allowHalfOpen: true, noDelay: true }, (downstream) => {
    accepted += 1;
    if (refusing) {
      downstream.on('error', () => undefined);
      downstream.resetAndDestroy();
      return;
    }
    const upstream = connect({ host: targetHost, port: targetPort, allowHalfOpen: true, noDelay: true });
    const pair = [downstream, upstream] as const;
    pairs.add(pair);
    for (const socket of pair) {
      socket.on('error', () => {
        for (const each of pair) each.destroy();
      });
      socket.once('close', () => {
        if (downstream.destroyed && upstream.destroyed) pairs.delete(pair);
      });
    }
    void pump(downstream, upstream, false);
    void pump(upstream, downstream, true);
  });
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve));

  return {
    port: (server.address() as AddressInfo).port,
    get connections() {
      return pairs.size;
    },
    get accepted() {
      return accepted;
    },
    cutAll,
    cutInAnswer(share) {
      cutShare = share;
    },
    refuse() {
      refusing = true;
      cutAll();
    },
    stall() {
      stalled ??= new Promise((resolve) => (endStall = resolve));
    },
    resume() {
      refusing = false;
      delayMs = 0;
      cutShare = undefined;
      stalled = undefined;
      endStall();
    },
    delay(ms) {
      delayMs = ms;
    },
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      stalled = undefined;
      endStall();
      cutAll();
      await closed;
    },
  };
}
