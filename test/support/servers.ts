import { describe, expect, inject, it } from 'vitest';
import type { Need } from './provided-servers';

export type { Need } from './provided-servers';

/** The run's own servers. Other suites use the same: take names from `freshName`. */
export interface Servers {
  readonly kafkaUrl: string;
  readonly redisUrl: string;
  /** `main=kafka://…&feedback=redis://…` */
  readonly streams: string;
  /** The interpreter that has Python streamback. */
  readonly pythonPath: string;
}

/**
 * A `describe` that needs servers. Where one cannot be had the suite is skipped, with the reason in its title; with
 * STREAMBACK_REQUIRE_BROKERS=1 it fails instead, or with STREAMBACK_REQUIRE_PYTHON=1 where it is Python.
 */
export function describeWith(needs: readonly Need[], title: string, suite: (servers: Servers) => void): void {
  const missing = inject('missingServers') as Readonly<Record<Need, string>> | undefined;
  if (!missing) throw new Error('suites that need servers belong to test/contract, e2e, fault, security or interop');
  const missingNeeds = needs.filter((need) => missing[need]);
  const reasons = missingNeeds.map((need) => `${need}: ${missing[need].split('\n')[0]}`);
  if (reasons.length === 0) {
    const [kafkaUrl, redisUrl] = [inject('kafkaUrl'), inject('redisUrl')];
    const streams = `main=${kafkaUrl}&feedback=${redisUrl}`;
    describe(title, () => suite({ kafkaUrl, redisUrl, streams, pythonPath: inject('pythonPath') }));
  } else if (missingNeeds.some(isRequired)) {
    describe(title, () => {
      it('has the servers it needs', () => expect.fail(reasons.join(' | ')));
    });
  } else {
    // The default reporter folds skipped suites away, title and all.
    console.warn(`skipped: ${title}: ${reasons.join(' | ')}`);
    describe.skip(`${title} [skipped, ${reasons.join(' | ')}]`, () => {
      it('needs servers', () => undefined);
    });
  }
}

/** {@link describeWith} for suites that use the run's Kafka and Redis. */
export function describeWithBrokers(title: string, suite: (servers: Servers) => void): void {
  describeWith(['kafka', 'redis'], title, suite);
}

const isRequired = (need: Need): boolean =>
  process.env[need === 'python' ? 'STREAMBACK_REQUIRE_PYTHON' : 'STREAMBACK_REQUIRE_BROKERS'] === '1';
