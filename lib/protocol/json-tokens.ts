/** A number, or what Python writes for what is none. Not `-NaN`, which Python neither writes nor reads. */
const BARE_TOKEN = /-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|NaN|-?Infinity/y;
const QUOTE = 34;
const BACKSLASH = 92;
/** What a token may begin with. */
const STARTS: ReadonlySet<number> = new Set(Buffer.from('-0123456789NI', 'latin1'));

/**
 * Text of JSON with each of its numbers, `NaN` and `Infinity` replaced by what `map` gives for it; what stands in a string is left alone. By
 * hand, so that a long string costs no more than its length.
 */
export function mapBareTokens(text: string, map: (token: string) => string): string {
  let mapped = '';
  let copied = 0;
  for (let at = 0; at < text.length;) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      at = endOfString(text, at);
      continue;
    }
    BARE_TOKEN.lastIndex = at;
    const token = STARTS.has(code) ? BARE_TOKEN.exec(text)?.[0] : undefined;
    if (token === undefined) {
      at += 1;
      continue;
    }
    mapped += text.slice(copied, at) + map(token);
    at += token.length;
    copied = at;
  }
  return mapped + text.slice(copied);
}

/** Behind the quote that ends the string that begins at `from`. */
function endOfString(text: string, from: number): number {
  for (let at = from + 1; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === BACKSLASH) at += 1;
    else if (code === QUOTE) return at + 1;
  }
  return text.length;
}
