import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { PeerProcess } from './peer-process';

/** Where profiles go; none are taken without. */
export interface RecordingFolders {
  readonly profile?: string;
  readonly heapProfile?: string;
}

/** Records both processes until `stop`, each into `<folder>/<round>/<stem>.<role>.cpuprofile` or `.heapprofile`. */
export async function recordTo(
  { profile, heapProfile }: RecordingFolders,
  { client, server }: { readonly client: PeerProcess; readonly server: PeerProcess },
  round: string,
  stem: string,
): Promise<{ stop(): Promise<void> }> {
  if (profile === undefined && heapProfile === undefined) return { stop: async () => {} };
  const stems: Stems = { cpu: stemIn(profile, round, stem), heap: stemIn(heapProfile, round, stem) };
  const processes = client === server ? { both: client } : { client, server };
  const all = async (ask: (process: PeerProcess, role: string) => Promise<void>): Promise<void> => {
    await Promise.all(Object.entries(processes).map(([role, process]) => ask(process, role)));
  };
  await all((process) => process.ask({ command: 'record', cpu: stems.cpu !== undefined, heap: stems.heap !== undefined }));
  return { stop: () => all((process, role) => process.ask({ command: 'recorded', ...fileNames(stems, role) })) };
}

interface Stems {
  readonly cpu?: string;
  readonly heap?: string;
}

function stemIn(folder: string | undefined, round: string, stem: string): string | undefined {
  if (folder === undefined) return undefined;
  const roundFolder = resolve(folder, round);
  mkdirSync(roundFolder, { recursive: true });
  return join(roundFolder, stem);
}

const fileNames = ({ cpu, heap }: Stems, role: string): { cpuFile?: string; heapFile?: string } => ({
  cpuFile: cpu && `${cpu}.${role}.cpuprofile`,
  heapFile: heap && `${heap}.${role}.heapprofile`,
});
