import { handled } from './handled';
import { message, type Peer, type PeerClient, type Venue } from './peer';
import { measure, type Workload } from './workloads';

/** What the parent asks of a process; each is answered once, in order. */
export type Command =
  | { readonly command: 'probe' }
  | { readonly command: 'measure'; readonly workload: Workload; readonly run: number; readonly durationMs: number }
  | { readonly command: 'report'; readonly run: number }
  | { readonly command: 'close' };

const PROBE_TIMEOUT_MS = 500;

/** Resolves when a call gets through: a consumer may be ready a moment after it says so. */
async function probe(client: PeerClient): Promise<void> {
  for (;;) {
    const answered = client
      .ask('calls', message(0, 0), () => {})
      .then(
        () => true,
        () => false,
      );
    const late = new Promise<false>((resolve) => setTimeout(resolve, PROBE_TIMEOUT_MS, false));
    if (await Promise.race([answered, late])) return;
  }
}

async function main(name: string, role: string, venue: Venue): Promise<void> {
  const { peer } = (await import(`./peers/${name}.js`)) as { peer: Peer };
  const client = role === 'client' ? await peer.startClient(venue) : undefined;
  const close = client ? () => client.close() : await peer.startServer(venue);
  const answer = async (command: Command): Promise<unknown> => {
    switch (command.command) {
      case 'probe':
        return probe(client!);
      case 'measure':
        return measure(client!, command.workload, command.run, command.durationMs);
      case 'report':
        return handled.report(command.run);
      case 'close':
        return void (await close());
    }
  };
  process.on('message', (command: Command) => {
    answer(command).then(
      (value) => process.send!({ value }, () => command.command === 'close' && process.exit()),
      (error: unknown) => process.send!({ error: String(error) }),
    );
  });
  process.send!({ value: 'ready' });
}

// A parent that is gone, however it went, ends its children.
process.once('disconnect', () => process.exit());
const [name = '', role = '', venue = '{}'] = process.argv.slice(2);
main(name, role, JSON.parse(venue) as Venue).catch((error: unknown) => {
  process.send!({ error: error instanceof Error ? error.stack : String(error) }, () => process.exit(1));
});
