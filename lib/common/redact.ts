/**
 * A connection string as it may stand in a log line or an error: user and password are replaced, hosts and options stay. Takes any
 * text; also Python's `kafka://user@password:host:port`.
 */
export function redact(text: string): string {
  return text.replace(/([a-z][a-z0-9+.-]*:\/\/)([^/?#&\s]*)/gi, (_whole, scheme: string, authority: string) => {
    const at = authority.lastIndexOf('@');
    if (at === -1) return scheme + authority;
    const hosts = authority.slice(at + 1).split(',').map((host) => host.split(':').slice(-2).join(':'));
    return `${scheme}***@${hosts.join(',')}`;
  });
}
