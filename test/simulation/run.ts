import { describeSweep, sweep } from './sweep';
import { installVirtualTime } from './virtual-time';

/** `run.js [count] [first seed]`: the large form, which reports as it goes and fails at the end. */
const [count = 100_000, first = 1] = process.argv.slice(2).map(Number);
const PORTION = 5_000;

async function main(): Promise<void> {
  installVirtualTime();
  let failures = 0;
  for (let done = 0; done < count; done += PORTION) {
    const part = await sweep(first + done, Math.min(PORTION, count - done));
    console.log(`from seed ${first + done}: ${describeSweep(part)}`);
    for (const line of part.failed) console.log(line);
    failures += part.failed.length;
  }
  console.log(
    failures === 0
      ? 'Every promise was kept.'
      : `${failures} failed. Replay one: STREAMBACK_TEST_SEED=<seed> npx vitest run --project unit test/simulation -t replays`,
  );
  process.exitCode = failures === 0 ? 0 : 1;
}

void main();
