const MAX_REASONS = 500;

/**
 * What an error says beside its message, bounded: the reasons in the response of Nest's `HttpException`, told by its shape. Those of a
 * `ValidationPipe` name properties and what they should be; its message says nothing of them.
 */
export function reasonsOf(error: unknown): string {
  const { message: said } = (error ?? {}) as { readonly message?: unknown };
  const { message } = responseOf(error);
  const reasons = (Array.isArray(message) ? message : [message]).filter((each) => typeof each === 'string' && each !== said).join('; ');
  return reasons === '' ? '' : ` (${reasons.length > MAX_REASONS ? `${reasons.slice(0, MAX_REASONS)}…` : reasons})`;
}

/** Whatever a handler throws: a response that cannot be told is none. */
function responseOf(error: unknown): { readonly message?: unknown } {
  try {
    const { getResponse } = (error ?? {}) as { readonly getResponse?: unknown };
    const response: unknown = typeof getResponse === 'function' ? getResponse.call(error) : undefined;
    return typeof response === 'object' && response !== null ? response : {};
  } catch {
    return {};
  }
}
