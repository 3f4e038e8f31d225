import type { StreambackLogger } from '../../lib/common/logger';
import { watchText } from './canary';

/** Keeps what is logged. */
export class RecordingLogger implements StreambackLogger {
  readonly lines: string[] = [];

  log(message: string): void {
    this.keep(`log ${message}`);
  }

  warn(message: string): void {
    this.keep(`warn ${message}`);
  }

  error(message: string): void {
    this.keep(`error ${message}`);
  }

  debug(message: string): void {
    this.keep(`debug ${message}`);
  }

  /** The lines that contain `text`. */
  having(text: string): string[] {
    return this.lines.filter((line) => line.includes(text));
  }

  private keep(line: string): void {
    watchText('a log line', line);
    this.lines.push(line);
  }
}
