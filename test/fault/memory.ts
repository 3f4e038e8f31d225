/** Samples of a process's memory over time, in MB. */
export class MemorySamples {
  private readonly samples: { readonly atMs: number; readonly rssMb: number; readonly liveMb: number }[] = [];

  /** @param warmUpMs what comes before is not looked at */
  constructor(private readonly warmUpMs: number) {}

  add(atMs: number, { rssMb, liveMb }: { readonly rssMb: number; readonly liveMb: number }): void {
    if (atMs >= this.warmUpMs) this.samples.push({ atMs, rssMb, liveMb });
  }

  get count(): number {
    return this.samples.length;
  }

  /** How far it has grown beyond where it began (the median of the first quarter), in percent. */
  growth(of: 'rssMb' | 'liveMb'): number {
    const quarter = Math.ceil(this.samples.length / 4);
    const first = median(this.samples.slice(0, quarter).map((sample) => sample[of]));
    const most = Math.max(...this.samples.slice(quarter).map((sample) => sample[of]));
    return Math.round((most / first - 1) * 1_000) / 10;
  }

  /** The slope of the straight line that fits best, in MB in ten minutes. */
  slope(of: 'rssMb' | 'liveMb'): number {
    const mean = (values: number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
    const [time, size] = [mean(this.samples.map(({ atMs }) => atMs)), mean(this.samples.map((sample) => sample[of]))];
    let [shared, own] = [0, 0];
    for (const sample of this.samples) {
      shared += (sample.atMs - time) * (sample[of] - size);
      own += (sample.atMs - time) ** 2;
    }
    return Math.round((shared / own) * 600_000 * 100) / 100;
  }

  last(of: 'rssMb' | 'liveMb'): number {
    return Math.round(this.samples.at(-1)![of]);
  }
}

function median(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)]!;
}
