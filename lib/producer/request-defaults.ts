import { withoutUndefined } from '../common/option-rules';
import type { StreambackRequestDefaults } from './request-options';

/** What a request does not say itself: what its pattern says, over what the connection says. */
export class RequestDefaults {
  private readonly ofPatterns = new Map<string, StreambackRequestDefaults>();

  constructor(
    private readonly ofConnection: StreambackRequestDefaults,
    requestOptions: Readonly<Record<string, StreambackRequestDefaults>> = {},
  ) {
    for (const [pattern, options] of Object.entries(requestOptions)) {
      this.ofPatterns.set(pattern, { ...ofConnection, ...withoutUndefined(options) });
    }
  }

  of(pattern: string): StreambackRequestDefaults {
    return this.ofPatterns.get(pattern) ?? this.ofConnection;
  }
}
