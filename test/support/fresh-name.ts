import { randomBytes } from 'node:crypto';

/** A topic, group or key name that no other test and no earlier run has used: servers named by the environment keep their data. */
export function freshName(stem: string): string {
  return `${stem}.${randomBytes(5).toString('hex')}`;
}
