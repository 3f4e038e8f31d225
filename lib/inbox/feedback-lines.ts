import type { InboxField, InboxItem } from '../streams/feedback-stream';

/** Characters that share an item, about; a larger line is an item of its own. */
const MAX_ITEM_LENGTH = 262_144;

/**
 * What one write carries: frames and control, a line of JSON each. Lines that follow each other are one item, which costs a feedback stream,
 * its server and its reader little more than one line would.
 */
export class FeedbackLines {
  private readonly parts: { readonly field: InboxField; readonly lines: string[]; length: number }[] = [];

  get isEmpty(): boolean {
    return this.parts.length === 0;
  }

  /** @param line JSON, which has no line breaks of its own */
  add(field: InboxField, line: string): void {
    const last = this.parts.at(-1);
    if (last?.field !== field || last.length + line.length >= MAX_ITEM_LENGTH) {
      this.parts.push({ field, lines: [line], length: line.length });
      return;
    }
    last.lines.push(line);
    last.length += line.length + 1;
  }

  /** @param bytesOf encodes text */
  items(bytesOf: BytesOf = utf8): readonly InboxItem[] {
    return this.parts.map(({ field, lines }) => ({ field, value: bytesOf(lines.join('\n')) }));
  }

  /**
   * The frames, each for itself, as Python's lists have them.
   * @param bytesOf encodes text
   */
  frames(bytesOf: BytesOf = utf8): readonly Buffer[] {
    return this.parts.flatMap(({ lines }) => lines.map((line) => bytesOf(line)));
  }
}

type BytesOf = (text: string) => Buffer;

const utf8: BytesOf = (text) => Buffer.from(text, 'utf8');
