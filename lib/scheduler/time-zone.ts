/** Two changes of a zone's clocks lie further apart than this. */
const STEP_MS = 7 * 86_400_000;

/** What the clocks of a zone show. Moments are epoch ms; an offset is what the clocks are ahead of UTC, in ms. */
export class TimeZone {
  private readonly format: Intl.DateTimeFormat;

  /** @throws RangeError for a name that is not known */
  constructor(name: string) {
    this.format = new Intl.DateTimeFormat('en-US', { timeZone: name, timeZoneName: 'longOffset' });
  }

  offsetAt(moment: number): number {
    const [, sign, hours, minutes, seconds] = /GMT(?:([+-])(\d\d):(\d\d)(?::(\d\d))?)?$/.exec(this.format.format(moment)) ?? [];
    const offsetMs = ((Number(hours ?? 0) * 60 + Number(minutes ?? 0)) * 60 + Number(seconds ?? 0)) * 1_000;
    return sign === '-' ? -offsetMs : offsetMs;
  }

  /** The first moment after one and up to another at which the clocks are changed; nothing where they are not. */
  changeWithin(after: number, upTo: number): number | undefined {
    const offsetMs = this.offsetAt(after);
    for (let before = after; before < upTo;) {
      let changed = Math.min(before + STEP_MS, upTo);
      if (this.offsetAt(changed) === offsetMs) {
        before = changed;
        continue;
      }
      while (changed - before > 1) {
        const middle = Math.floor((before + changed) / 2);
        if (this.offsetAt(middle) === offsetMs) before = middle;
        else changed = middle;
      }
      return changed;
    }
    return undefined;
  }
}
