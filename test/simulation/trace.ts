/** What happened, as a number that tells two runs apart, and as lines where somebody reads them. */
export class Trace {
  private mixed = 0x811c9dc5;

  /** @param lines where the lines go; without it nothing but the number is kept, and with `off` not even that */
  constructor(
    private readonly mode: 'off' | 'hash' | 'lines',
    readonly lines: string[] = [],
  ) {}

  get hash(): string {
    return (this.mixed >>> 0).toString(16);
  }

  note(time: number, ...parts: readonly unknown[]): void {
    if (this.mode === 'off') return;
    const line = `${(time - 1_000_000).toFixed(1).padStart(9)} ${parts.join(' ')}`;
    for (let index = 0; index < line.length; index++) this.mixed = Math.imul(this.mixed ^ line.charCodeAt(index), 0x01000193);
    if (this.mode === 'lines') this.lines.push(line);
  }
}
