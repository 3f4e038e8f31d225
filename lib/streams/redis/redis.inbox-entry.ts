import type { InboxField, InboxItem } from '../feedback-stream';

/** Entries are no larger than this, so that a read's reply stays of a size that both sides can hold. */
export const MAX_ENTRY_FIELDS = 512;
export const MAX_ENTRY_BYTES = 1_048_576;

const NAMES: Readonly<Record<InboxField, string>> = { frame: 'f', control: 'c' };
const FRAME = NAMES.frame.charCodeAt(0);
const CONTROL = NAMES.control.charCodeAt(0);

/** What one read of an inbox gave. */
export interface InboxRead {
  /** The id of the last entry, to go on from. */
  readonly lastId: string;
  readonly items: readonly InboxItem[];
  readonly entries: number;
  readonly bytes: number;
}

/** Items in groups of one entry each, in order. A single item beyond the limit is an entry of its own. */
export function splitItems(
  items: readonly InboxItem[],
  maxFields = MAX_ENTRY_FIELDS,
  maxBytes = MAX_ENTRY_BYTES,
): readonly (readonly InboxItem[])[] {
  const groups: InboxItem[][] = [];
  let group: InboxItem[] = [];
  let bytes = 0;
  for (const item of items) {
    if (group.length > 0 && (group.length >= maxFields || bytes + item.value.length > maxBytes)) {
      groups.push(group);
      group = [];
      bytes = 0;
    }
    group.push(item);
    bytes += item.value.length;
  }
  if (group.length > 0) groups.push(group);
  return groups;
}

/** The fields of one entry, as XADD takes them. */
export function entryFields(items: readonly InboxItem[]): (string | Buffer)[] {
  const fields: (string | Buffer)[] = [];
  for (const { field, value } of items) fields.push(NAMES[field], value);
  return fields;
}

/**
 * Takes an XREAD reply for one stream apart: RESP2's list of [key, entries], or RESP3's map.
 * @returns null where nothing came in time; undefined where the reply is of no known form
 */
export function parseXread(reply: unknown): InboxRead | null | undefined {
  if (reply === null || reply === undefined) return null;
  const entries = entriesOf(reply);
  if (!entries) return undefined;
  if (entries.length === 0) return null;
  const items: InboxItem[] = [];
  let lastId: string | undefined;
  let bytes = 0;
  for (const entry of entries) {
    if (!Array.isArray(entry) || !isText(entry[0])) return undefined;
    lastId = entry[0].toString();
    // An entry that was deleted in between has no fields.
    const fields: unknown = entry[1];
    if (!Array.isArray(fields)) continue;
    for (let index = 0; index + 1 < fields.length; index += 2) {
      const field = fieldOf(fields[index]);
      const value: unknown = fields[index + 1];
      if (!field || !Buffer.isBuffer(value)) continue;
      bytes += value.length;
      items.push({ field, value });
    }
  }
  return lastId === undefined ? null : { lastId, items, entries: entries.length, bytes };
}

function entriesOf(reply: unknown): readonly unknown[] | undefined {
  let entries: unknown;
  if (Array.isArray(reply)) {
    if (reply.length === 0) return [];
    const first: unknown = reply[0];
    // A map may also come flattened: [key, entries].
    entries = Array.isArray(first) ? first[1] : reply[1];
  } else if (reply instanceof Map) {
    entries = [...reply.values()][0];
  } else if (typeof reply === 'object') {
    entries = Object.values(reply as object)[0];
  }
  return Array.isArray(entries) ? entries : undefined;
}

const isText = (value: unknown): value is string | Buffer => typeof value === 'string' || Buffer.isBuffer(value);

function fieldOf(name: unknown): InboxField | undefined {
  if (Buffer.isBuffer(name)) {
    if (name.length !== 1) return undefined;
    return name[0] === FRAME ? 'frame' : name[0] === CONTROL ? 'control' : undefined;
  }
  return name === NAMES.frame ? 'frame' : name === NAMES.control ? 'control' : undefined;
}

/** The id right after `id`: what XTRIM MINID must keep, when everything up to `id` has been read. */
export function nextId(id: string): string {
  const [time = '0', sequence = '0'] = id.split('-');
  return `${time}-${BigInt(sequence) + 1n}`;
}

/** Negative, 0 or positive, as `a` is before, at or after `b`. */
export function compareIds(a: string, b: string): number {
  const [aTime = '0', aSequence = '0'] = a.split('-');
  const [bTime = '0', bSequence = '0'] = b.split('-');
  const difference = BigInt(aTime) - BigInt(bTime) || BigInt(aSequence) - BigInt(bSequence);
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}

/** `last-generated-id` of an XINFO STREAM reply, flat list or map. */
export function lastGeneratedId(reply: unknown): string | undefined {
  const name = 'last-generated-id';
  let value: unknown;
  if (Array.isArray(reply)) {
    const index = reply.findIndex((entry, at) => at % 2 === 0 && String(entry) === name);
    value = index === -1 ? undefined : reply[index + 1];
  } else if (reply instanceof Map) {
    value = reply.get(name);
  } else if (typeof reply === 'object' && reply !== null) {
    value = (reply as Record<string, unknown>)[name];
  }
  return isText(value) ? value.toString() : undefined;
}
