import { handled, type HandledReport } from './handled';
import { measure, type Progress } from './measure';
import { message, type Peer, type PeerClient, type Venue } from './peer';
import { Recording } from './recording';
import { FIRST_WARM_UP, type Extent, type Workload } from './workloads';

/** What a process of a peer does: one half, or both where they cannot be two. */
export type Role = 'client' | 'server' | 'both';

/** What the parent asks of a process; each is answered once. */
export type Command =
  | { readonly command: 'probe' }
  | { readonly command: 'measure'; readonly workload: Workload; readonly run: number; readonly extent: Extent }
  | { readonly command: 'report'; readonly run: number }
  | { readonly command: 'record'; readonly cpu: boolean; readonly heap: boolean }
  | { readonly command: 'recorded'; readonly cpuFile?: string; readonly heapFile?: string }
  | { readonly command: 'close' };

/** What a process says of itself, and of what it has handled and received in a measurement. */
export interface ProcessReport extends HandledReport, Progress {
  /** CPU since its start, user and system, in us. */
  readonly cpuMicros: number;
  readonly rssBytes: number;
}

const PROBE_TIMEOUT_MS = 500;

/** Resolves when a call gets through, to its time in ms: a consumer may be ready a moment after it says so. */
async function probe(client: PeerClient): Promise<number> {
  for (;;) {
    const startedAt = performance.now();
    const answered = client
      .ask('calls', message(0, 0, FIRST_WARM_UP), () => {})
      .then(
        () => true,
        () => false,
      );
    const late = new Promise<false>((resolve) => setTimeout(resolve, PROBE_TIMEOUT_MS, false));
    if (await Promise.race([answered, late])) return performance.now() - startedAt;
  }
}

async function main(peerName: string, role: Role, venue: Venue): Promise<void> {
  const { peer } = (await import(`./peers/${peerName}.js`)) as { peer: Peer };
  const closeServer = role === 'client' ? undefined : await peer.startServer(venue);
  const client = role === 'server' ? undefined : await peer.startClient(venue);
  const progress: Progress = { received: 0 };
  let recording: Recording | undefined;
  const answer = async (command: Command): Promise<unknown> => {
    switch (command.command) {
      case 'probe':
        return probe(client!);
      case 'measure':
        return measure(client!, command.workload, command.run, command.extent, progress);
      case 'report': {
        const { user, system } = process.cpuUsage();
        const { received } = progress;
        const own = { received, cpuMicros: user + system, rssBytes: process.memoryUsage.rss() };
        return { ...handled.report(command.run), ...own } satisfies ProcessReport;
      }
      case 'record':
        recording = await Recording.start(command.cpu, command.heap);
        return undefined;
      case 'recorded':
        return recording?.stop(command.cpuFile, command.heapFile);
      case 'close':
        await client?.close();
        await closeServer?.();
        return undefined;
    }
  };
  process.on('message', ({ id, command }: { id: number; command: Command }) => {
    answer(command).then(
      (value) => process.send!({ id, value }, () => command.command === 'close' && process.exit()),
      (error: unknown) => process.send!({ id, error: String(error) }),
    );
  });
  process.send!({ id: 0 });
}

// A parent that is gone, however it went, ends its children.
process.once('disconnect', () => process.exit());
const [peerName = '', role = '', venue = '{}'] = process.argv.slice(2);
main(peerName, role as Role, JSON.parse(venue) as Venue).catch((error: unknown) => {
  process.send!({ id: 0, error: error instanceof Error ? error.stack : String(error) }, () => process.exit(1));
});
