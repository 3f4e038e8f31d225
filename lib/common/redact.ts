const SCHEME = /([a-z][a-z0-9+.-]{0,30}:\/\/)/i;
const HOST = /^(?:\[[^\]]*\]|[^:,[\]]+)(?::\d+)?$/;

/**
 * A connection string as it may stand in a log line or an error: user and password are replaced, hosts and options stay. Takes any
 * text; also Python's `kafka://user@password:host:port`. Where it cannot tell, it hides too much: characters that a password ought
 * to have percent-encoded do not give it away.
 */
export function redact(text: string): string {
  const [before = '', ...rest] = text.split(SCHEME);
  let safe = before.split(/(\s+)/).map(withoutStray).join('');
  for (let index = 0; index < rest.length; index += 2) {
    const scheme = rest[index]!;
    const part = rest[index + 1]!;
    const at = part.lastIndexOf('@');
    safe += at === -1 ? scheme + part : `${scheme}***@${withoutPassword(part.slice(at + 1))}`;
  }
  return safe;
}

/** Python's form has the password here, behind the '@': what comes before the last piece that is no host is the password's. */
function withoutPassword(text: string): string {
  const url = /^[^\s"'`)]*/.exec(text)![0].replace(/[:.,;]+$/, '');
  const delimiter = url.search(/[/?#&]/);
  // A host and port at the end: the delimiter stands in a password.
  const hosts = delimiter === -1 || /:\d+$/.test(url) ? url : url.slice(0, delimiter);
  const pieces = hosts.split(',');
  const last = pieces.findLastIndex((piece) => !HOST.test(piece));
  if (last === -1) return text;
  const piece = pieces[last]!;
  const host = /(?:^|:)((?:\[[^\]]*\]|[^:]+):\d+)$/.exec(piece)?.[1] ?? piece.slice(piece.lastIndexOf(':') + 1);
  return [host, ...pieces.slice(last + 1)].join(',') + text.slice(hosts.length);
}

/** Without its slashes a word may still be a URL, one that somebody got wrong. */
function withoutStray(word: string): string {
  const at = word.lastIndexOf('@');
  const colon = word.indexOf(':');
  if (at === -1 || colon === -1 || colon > at) return word;
  return `${/^['"(]?/.exec(word)![0]}***@${word.slice(at + 1)}`;
}
