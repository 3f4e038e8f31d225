import type { MainStream, MainStreamMessage, MainStreamScan } from '../streams/main-stream';
import { readDeadLetter, replayOf, type DeadLetter } from './dead-letter';

/** Letters that may be on their way, and their bytes, before the group's place is saved behind them. */
const MAX_UNSAVED = 200;
const MAX_UNSAVED_BYTES = 4_000_000;

/** Which dead letters are looked at. */
export interface DeadLetterSelection {
  /** The topic that they were put aside from, and go back to. */
  readonly topic: string;
  /** The group that put them aside. */
  readonly group: string;
  /** Topics that hold them, and whose place in each. */
  readonly sources: readonly { readonly topic: string; readonly group: string }[];
  readonly filter: (letter: DeadLetter) => boolean | Promise<boolean>;
  readonly limit: number;
  readonly fromBeginning: boolean;
}

/** What a replay did. */
export interface ReplayResult {
  /** Letters that were sent again. */
  readonly replayed: number;
  /** Letters that the filter left out; they are moved behind as well. */
  readonly skipped: number;
}

/** A main stream that can be scanned. */
export type ScannableStream = MainStream & Required<Pick<MainStream, 'scan'>>;

/** The letters of a selection, up to where their topics end now. Moves behind none. @throws StreambackConnectionError */
export async function* readDeadLetters(main: ScannableStream, selection: DeadLetterSelection): AsyncGenerator<DeadLetter> {
  let left = selection.limit;
  for (const source of selection.sources) {
    if (left === 0) return;
    const scan = await main.scan({ ...source, fromBeginning: selection.fromBeginning });
    try {
      for await (const message of scan) {
        const letter = own(message, selection);
        if (!letter || !(await selection.filter(letter))) continue;
        yield letter;
        left -= 1;
        if (left === 0) return;
      }
    } finally {
      await scan.close();
    }
  }
}

/**
 * Sends the letters of a selection back to their topic, up to where their topics end now, and moves behind all that it has looked at.
 * What fails in between may be sent twice by the next replay, and is never passed over.
 * @throws StreambackConnectionError
 * @throws StreambackPublishError
 */
export async function replayDeadLetters(main: ScannableStream, selection: DeadLetterSelection): Promise<ReplayResult> {
  const result = { replayed: 0, skipped: 0 };
  await main.connect();
  for (const source of selection.sources) {
    if (result.replayed === selection.limit) break;
    const scan = await main.scan({ ...source, fromBeginning: selection.fromBeginning });
    const unsaved = new Unsaved(scan);
    try {
      for await (const message of scan) {
        const letter = own(message, selection);
        const chosen = letter && (await selection.filter(letter));
        if (chosen) result.replayed += 1;
        else if (letter) result.skipped += 1;
        unsaved.add(message, chosen ? main.publish(replayOf(letter, selection.topic)) : undefined);
        if (unsaved.isFull) await unsaved.save();
        if (result.replayed === selection.limit) break;
      }
    } finally {
      // Also where the filter has thrown: what was sent is not to be sent again.
      await unsaved.save().finally(() => scan.close());
    }
  }
  return result;
}

/** What was looked at and is not moved behind yet. */
class Unsaved {
  private entries: { readonly message: MainStreamMessage; readonly sent: Promise<void> | undefined }[] = [];
  private bytes = 0;

  constructor(private readonly scan: MainStreamScan) {}

  get isFull(): boolean {
    return this.entries.length >= MAX_UNSAVED || this.bytes >= MAX_UNSAVED_BYTES;
  }

  add(message: MainStreamMessage, sent: Promise<void> | undefined): void {
    // It is awaited in `save`, which may come after it has failed.
    sent?.catch(() => undefined);
    this.entries.push({ message, sent });
    this.bytes += message.value?.length ?? 0;
  }

  /** Moves behind all that is done with, up to the first that could not be sent. @throws what that one failed with */
  async save(): Promise<void> {
    const { entries } = this;
    this.entries = [];
    this.bytes = 0;
    const sent = await Promise.allSettled(entries.map((entry) => entry.sent));
    const failed = sent.findIndex(({ status }) => status === 'rejected');
    const done = failed === -1 ? entries : entries.slice(0, failed);
    const last = new Map(done.map(({ message }) => [message.partition, message]));
    for (const message of last.values()) await this.scan.moveBehind(message);
    if (failed !== -1) throw (sent[failed] as PromiseRejectedResult).reason;
  }
}

/** A letter of this group, from this topic; what others put aside is theirs, and a header names no topic that is written to. */
function own(message: MainStreamMessage, { topic, group }: DeadLetterSelection): DeadLetter | undefined {
  const letter = readDeadLetter(message);
  return letter?.topic === topic && letter.group === group ? letter : undefined;
}
