import { StreambackConfigError } from '../common/errors';
import { redact } from '../common/redact';

/** One stream's URL, taken apart. */
export interface StreamUrl {
  /** Without the colon: `kafka+ssl`. */
  readonly scheme: string;
  /** Percent-decoded. */
  readonly username?: string;
  /** Percent-decoded. */
  readonly password?: string;
  readonly hosts: readonly StreamHost[];
  /** What follows the hosts, without the leading slash. */
  readonly path: string;
  readonly query: ReadonlyMap<string, string>;
}

export interface StreamHost {
  /** A name or an address; an IPv6 address without its brackets. */
  readonly host: string;
  readonly port?: number;
}

/** The whole `main=…&feedback=…&topics_prefix=…&group=…` string, taken apart. */
export interface StreamsUrl {
  readonly main: string;
  readonly feedback?: string;
  readonly topicsPrefix?: string;
  readonly group?: string;
}

const FIELDS = new Map<string, keyof StreamsUrl>([
  ['main', 'main'],
  ['feedback', 'feedback'],
  ['topics_prefix', 'topicsPrefix'],
  ['group', 'group'],
]);

function invalid(text: string, why: string, remedy?: string): StreambackConfigError {
  return new StreambackConfigError('INVALID_STREAMS_URL', `${why}: ${JSON.stringify(redact(text))}`, { option: 'streams', remedy });
}

/**
 * Takes Python streamback's form of a connection apart.
 * @throws StreambackConfigError INVALID_STREAMS_URL
 */
export function parseStreamsUrl(text: string): StreamsUrl {
  const trimmed = text.trim();
  // A single memory:// names both streams; any other lone URL would leave it open where the answers go.
  if (trimmed.startsWith('memory://') && !trimmed.includes('&')) return { main: trimmed, feedback: trimmed };
  if (/^[a-z][a-z0-9+.-]*:\/\/[^=]*$/i.test(trimmed) || /^[^=&]+$/.test(trimmed)) {
    throw invalid(text, 'streams does not say which stream this is', `Write it as 'main=${redact(trimmed)}&feedback=redis://host:6379'.`);
  }
  const found: { -readonly [Key in keyof StreamsUrl]?: string } = {};
  for (const part of trimmed.split('&')) {
    const separator = part.indexOf('=');
    const name = separator === -1 ? part : part.slice(0, separator);
    const field = separator === -1 ? undefined : FIELDS.get(name);
    if (!field) {
      // It may be a piece of a password that holds a '&': only what the redacted text shows is shown.
      const known = redact(text).split('&').includes(part);
      throw invalid(
        text,
        known ? `streams has the unknown part ${JSON.stringify(redact(name))}` : 'streams has an unknown part',
        "Write it as 'main=kafka://host:9092&feedback=redis://host:6379'; further parts are topics_prefix and group; a '&' in a password is %26.",
      );
    }
    const value = part.slice(separator + 1);
    if (value === '') throw invalid(text, `streams has an empty '${name}'`);
    if (found[field] !== undefined) throw invalid(text, `streams names '${name}' twice`);
    found[field] = value;
  }
  if (found.main === undefined) throw invalid(text, "streams has no 'main'");
  return found as StreamsUrl;
}

/**
 * Takes one stream's URL apart: `scheme://[user[:password]@]host[:port][,host[:port]…][/path][?query]`, and Python's
 * `scheme://user@password:host:port`.
 * @throws StreambackConfigError INVALID_STREAMS_URL
 */
export function parseStreamUrl(text: string): StreamUrl {
  const match = /^([a-z][a-z0-9+.-]*):\/\/([^/?#]*)(?:\/([^?#]*))?(?:\?([^#]*))?$/i.exec(text);
  if (!match) throw invalid(text, 'not a URL of the form scheme://host:port');
  const [, scheme = '', authority = '', path = '', query = ''] = match;
  const at = authority.lastIndexOf('@');
  const credentials = at === -1 ? '' : authority.slice(0, at);
  const afterAt = authority.slice(at + 1);
  const python = at === -1 || credentials.includes(':') ? null : /^([^:,[]+):((?:[^:,[\]]+|\[[^\]]+\]):\d+(?:,.*)?)$/.exec(afterAt);
  const [username, password] = python ? [credentials, python[1]] : splitOnce(credentials, ':');
  const hosts = python ? python[2]! : afterAt;
  return {
    scheme: scheme.toLowerCase(),
    ...(at !== -1 && username ? { username: decode(text, username) } : {}),
    ...(at !== -1 && password !== undefined ? { password: decode(text, password) } : {}),
    hosts: hosts === '' ? [] : hosts.split(',').map((host) => parseHost(text, host)),
    path: decode(text, path),
    query: new Map(new URLSearchParams(query)),
  };
}

function splitOnce(text: string, separator: string): [string, string | undefined] {
  const index = text.indexOf(separator);
  return index === -1 ? [text, undefined] : [text.slice(0, index), text.slice(index + 1)];
}

function parseHost(text: string, part: string): StreamHost {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^:[\]\s]+))(?::(\d+))?$/i.exec(part.trim());
  const port = match?.[3] === undefined ? undefined : Number(match[3]);
  if (!match || (port !== undefined && (port < 1 || port > 65_535))) {
    throw invalid(text, 'a host must be name:port, the port from 1 to 65535, several separated by commas');
  }
  return { host: (match[1] ?? match[2])!, ...(port === undefined ? {} : { port }) };
}

function decode(text: string, part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw invalid(text, "'%' must be written %25 in a user, password or path");
  }
}
