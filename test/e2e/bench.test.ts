import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { Measured } from '../../bench/rows';
import { version } from '../../package.json';
import { temporaryFolder } from '../support/process-guard';
import { describeWithBrokers } from '../support/servers';

const WORKLOADS = ['oneway', 'rpc10', 'stream100', 'rpc100-16k', 'slow-reader'];
const PEERS = ['handwritten', 'streamback'];

/** The cells of a Markdown table's lines, without its heading and its rule. */
const linesOf = (table: string): string[][] =>
  table
    .split('\n')
    .slice(2)
    .map((line) => line.split('|').slice(1, -1))
    .map((cells) => cells.map((cell) => cell.trim()));

describeWithBrokers('npm run bench -- --short', ({ kafkaUrl, redisUrl }) => {
  it('measures two peers, loses nothing, and fills its tables', () => {
    const folder = temporaryFolder('bench');
    try {
      const json = join(folder.path, 'measured.json');
      const env = { ...process.env, STREAMBACK_TEST_KAFKA_URL: kafkaUrl, STREAMBACK_TEST_REDIS_URL: redisUrl };
      const args = ['run', '--silent', 'bench', '--', '--short', '--no-pin', '--markdown', '--json', json];
      const { status, stdout, stderr } = spawnSync('npm', args, { env, encoding: 'utf8', timeout: 55_000 });
      expect({ status, stderr: status === 0 ? '' : stderr }).toEqual({ status: 0, stderr: '' });

      const { packed, workloads, peers, skipped, failures } = JSON.parse(readFileSync(json, 'utf8')) as Measured;
      expect({ skipped, failures }).toEqual({ skipped: [], failures: [] });
      expect(packed).toMatch(new RegExp(`^nestjs-streamback-${version}.tgz [0-9a-f]{12}$`));
      expect(peers.map(({ peer }) => peer)).toEqual(PEERS);
      expect(workloads.map(({ peer, workload }) => `${peer} ${workload}`)).toEqual(
        PEERS.flatMap((peer) => WORKLOADS.map((workload) => `${peer} ${workload}`)),
      );
      for (const { peer, workload, ratePerSecond, lost, twice, disordered, errors } of workloads) {
        expect({ peer, workload, lost, twice, disordered, errors }).toEqual({
          peer,
          workload,
          lost: 0,
          twice: 0,
          disordered: 0,
          errors: [],
        });
        expect(ratePerSecond).toBeGreaterThan(0);
      }

      const [ofWorkloads, ofPeers, ofTargets] = stdout.trim().split('\n\n').map(linesOf);
      expect(ofWorkloads!.map(([workload, peer]) => `${peer} ${workload}`)).toEqual(
        WORKLOADS.flatMap((workload) => PEERS.map((peer) => `${peer} ${workload}`)),
      );
      // The brokers' CPU is not known of servers that others have started, and an event has no answer to wait for.
      for (const [workload, peer, ...cells] of ofWorkloads!) {
        const empty = cells.filter((cell) => cell === '-' || cell.includes('NaN')).length;
        expect({ workload, peer, empty }).toEqual({ workload, peer, empty: workload === 'oneway' ? 3 : 1 });
      }
      expect(ofPeers!.flat()).not.toContain('-');
      expect(ofTargets!.map((cells) => cells.at(-1))).toEqual(ofTargets!.map(() => expect.stringMatching(/^(met|not met|inconclusive)$/)));
      expect(ofTargets!.length).toBeGreaterThan(3);
    } finally {
      folder.remove();
    }
  });
});
