import type { StreambackRequestDefaults } from './request-options';

/** What a request does not say itself: what its pattern says, over what the connection says. */
export class RequestDefaults {
  private readonly ofPatterns = new Map<string, StreambackRequestDefaults>();

  constructor(
    private readonly ofConnection: StreambackRequestDefaults,
    requestOptions: Readonly<Record<string, StreambackRequestDefaults>> = {},
  ) {
    for (const [pattern, options] of Object.entries(requestOptions)) {
      const said = Object.entries(options).filter(([, value]) => value !== undefined);
      this.ofPatterns.set(pattern, { ...ofConnection, ...Object.fromEntries(said) });
    }
  }

  of(pattern: string): StreambackRequestDefaults {
    return this.ofPatterns.get(pattern) ?? this.ofConnection;
  }
}
