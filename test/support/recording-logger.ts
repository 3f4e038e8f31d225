import type { StreambackLogger } from '../../lib/common/logger';

/** Keeps what is logged. */
export class RecordingLogger implements StreambackLogger {
  readonly lines: string[] = [];

  log(message: string): void {
    this.lines.push(`log ${message}`);
  }

  warn(message: string): void {
    this.lines.push(`warn ${message}`);
  }

  error(message: string): void {
    this.lines.push(`error ${message}`);
  }

  debug(message: string): void {
    this.lines.push(`debug ${message}`);
  }

  /** The lines that contain `text`. */
  having(text: string): string[] {
    return this.lines.filter((line) => line.includes(text));
  }
}
