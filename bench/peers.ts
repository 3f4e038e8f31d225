import type { ServerName } from './servers';

/** What the bench has to know of a peer before it starts it. */
export interface PeerEntry {
  /** Its file in `peers/`. */
  readonly name: string;
  readonly needs: readonly ServerName[];
  /** Client and server are one process. */
  readonly inOneProcess?: boolean;
}

/** What all others are held against. */
export const REFERENCE = 'handwritten';
/** What the bench is of. */
export const SUBJECT = 'streamback';

/** All there are, in the order of the table; those that are compared most stand side by side. */
export const PEERS: readonly PeerEntry[] = [
  { name: REFERENCE, needs: ['kafka', 'redis'] },
  { name: SUBJECT, needs: ['kafka', 'redis'] },
  { name: 'streamback-bare', needs: ['kafka', 'redis'] },
  { name: 'streamback-used', needs: ['kafka', 'redis'] },
  { name: 'handwritten-packed', needs: ['kafka', 'redis'] },
  { name: 'handwritten-nest', needs: ['kafka', 'redis'] },
  { name: 'nest-kafka', needs: ['kafka'] },
  { name: 'nest-redis', needs: ['redis'] },
  { name: 'nest-nats', needs: ['nats'] },
  { name: 'nest-tcp', needs: [] },
  { name: 'memory', needs: [], inOneProcess: true },
];
