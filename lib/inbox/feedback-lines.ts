import type { InboxField, InboxItem } from '../streams/feedback-stream';

/** Characters that share an item, about; a larger line is an item of its own. */
const MAX_ITEM_LENGTH = 262_144;

/**
 * What one write carries: frames and control, a line of JSON each. Lines that follow each other are one item, which costs a feedback stream,
 * its server and its reader little more than one line would.
 */
export class FeedbackLines {
  private readonly parts: { readonly field: InboxField; text: string }[] = [];

  get isEmpty(): boolean {
    return this.parts.length === 0;
  }

  /** @param line JSON, which has no line breaks of its own */
  add(field: InboxField, line: string): void {
    const last = this.parts.at(-1);
    if (last?.field === field && last.text.length + line.length < MAX_ITEM_LENGTH) last.text += `\n${line}`;
    else this.parts.push({ field, text: line });
  }

  items(): readonly InboxItem[] {
    return this.parts.map(({ field, text }) => ({ field, value: Buffer.from(text, 'utf8') }));
  }

  /** The frames, each for itself, as Python's lists have them. */
  frames(): readonly Buffer[] {
    return this.parts.flatMap(({ text }) => text.split('\n').map((line) => Buffer.from(line, 'utf8')));
  }
}
