export interface Heading {
  readonly text: string;
  /** Numbers stand to the right. */
  readonly isNumber?: boolean;
}

/** What is to be seen as a table; each line has a cell for each heading. */
export interface Table {
  readonly headings: readonly Heading[];
  readonly lines: readonly (readonly string[])[];
}

/** As GitHub shows it. */
export function markdownOf({ headings, lines }: Table): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const rules = headings.map(({ isNumber }) => (isNumber ? '--:' : '---'));
  return [line(headings.map(({ text }) => text)), line(rules), ...lines.map(line)].join('\n');
}

/** For a terminal: columns of even width. */
export function plainOf({ headings, lines }: Table): string {
  const all = [headings.map(({ text }) => text), ...lines];
  const widths = headings.map((_heading, column) => Math.max(...all.map((cells) => cells[column]!.length)));
  const fitted = (cell: string, column: number): string =>
    headings[column]!.isNumber ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!);
  return all.map((cells) => cells.map(fitted).join('  ').trimEnd()).join('\n');
}
