import { mkdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { runRound, type Result } from './round';
import { startServers } from './servers';
import { report } from './table';
import { WORKLOADS } from './workloads';

const SUBJECT = 'streamback';
const PEERS = [SUBJECT, 'nest-kafka', 'handwritten'];

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string', default: '3' },
      seconds: { type: 'string', default: '1.5' },
      only: { type: 'string', default: '' },
      profile: { type: 'string' },
    },
  });
  const rounds = positive('rounds', values.rounds);
  const durationMs = positive('seconds', values.seconds) * 1_000;
  const names = values.only.split(',').filter((name) => name !== '');
  const unknown = names.find((name) => !PEERS.includes(name) && !WORKLOADS.some((workload) => workload.name === name));
  if (unknown) throw new Error(`--only knows no '${unknown}': ${[...PEERS, ...WORKLOADS.map(({ name }) => name)].join(', ')}`);
  const chosen = <Thing>(things: readonly Thing[], nameOf: (thing: Thing) => string): readonly Thing[] => {
    const some = things.filter((thing) => names.includes(nameOf(thing)));
    return some.length > 0 ? some : things;
  };
  const peers = chosen(PEERS, (peer) => peer);
  const workloads = chosen(WORKLOADS, ({ name }) => name);

  const servers = await startServers();
  const results: Result[] = [];
  try {
    for (let round = 0; round < rounds; round++) {
      // There and back, so that no peer is always the one after the same other.
      for (const peer of round % 2 === 0 ? peers : [...peers].reverse()) {
        const profileFolder = values.profile && resolve(values.profile, `round-${round + 1}`);
        if (profileFolder) mkdirSync(profileFolder, { recursive: true });
        process.stderr.write(`round ${round + 1} of ${rounds}: ${peer}\n`);
        const measured = await runRound(peer, workloads, await servers.venue(), durationMs, profileFolder);
        for (const { workload, errors } of measured) for (const error of errors) process.stderr.write(`  ${workload}: ${error}\n`);
        results.push(...measured);
      }
    }
  } finally {
    await servers.stop();
  }
  console.log(
    report(
      results.sort((a, b) => peers.indexOf(a.peer) - peers.indexOf(b.peer)),
      SUBJECT,
    ),
  );
}

function positive(option: string, text: string): number {
  const value = Number(text);
  if (value > 0) return value;
  throw new Error(`--${option} must be a number above 0, not '${text}'`);
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
