/** What this package logs to: Nest's `Logger` is one. The `transport` folder passes Nest's; nothing below it knows Nest. */
export interface StreambackLogger {
  log(message: string): void;
  warn(message: string): void;
  error(message: string, stack?: string): void;
  debug(message: string): void;
}

export const SILENT_LOGGER: StreambackLogger = { log() {}, warn() {}, error() {}, debug() {} };
