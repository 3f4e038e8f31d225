const MAX_REASONS = 500;

/**
 * What an error says beside its message, bounded: the reasons in the response of Nest's `HttpException`, told by its shape. Those of a
 * `ValidationPipe` name properties and what they should be; its message says nothing of them.
 */
export function reasonsOf(error: unknown): string {
  const { getResponse, message: said } = (error ?? {}) as { readonly getResponse?: unknown; readonly message?: unknown };
  if (typeof getResponse !== 'function') return '';
  const response: unknown = getResponse.call(error);
  const { message } = (typeof response === 'object' && response !== null ? response : {}) as { readonly message?: unknown };
  const reasons = (Array.isArray(message) ? message : [message]).filter((each) => typeof each === 'string' && each !== said).join('; ');
  return reasons === '' ? '' : ` (${reasons.length > MAX_REASONS ? `${reasons.slice(0, MAX_REASONS)}…` : reasons})`;
}
