import { randomUUID } from 'node:crypto';

/** Every prefix that this adapter writes under: what an ACL must allow (`~streamback_*` covers all). */
export const REDIS_KEY_PREFIXES = {
  /** Redis streams, one a process. */
  inbox: 'streamback_inbox_',
  /** Lists in Python's form. */
  feedback: 'streamback_feedback_',
  /** Short-lived keys that say that an inbox's process lives. */
  lease: 'streamback_lease_',
  /** Short-lived keys that say that a request is not wanted any more. */
  cancel: 'streamback_cancel_',
  /** Lists that end a blocking pop when the set of popped lists changes. */
  wake: 'streamback_wake_',
  /** Hashes, one a group, of its schedules; they do not expire. */
  schedules: 'streamback_schedules_',
} as const;

/** The lease beside an inbox. */
export function leaseKeyOf(inbox: string): string {
  const tail = inbox.startsWith(REDIS_KEY_PREFIXES.inbox) ? inbox.slice(REDIS_KEY_PREFIXES.inbox.length) : inbox;
  return REDIS_KEY_PREFIXES.lease + tail;
}

export const cancelKeyOf = (id: string): string => REDIS_KEY_PREFIXES.cancel + id;

export const newWakeKey = (): string => REDIS_KEY_PREFIXES.wake + randomUUID();

/** A group is named by its user, who may use any character. */
export const scheduleKeyOf = (group: string): string => REDIS_KEY_PREFIXES.schedules + encodeURIComponent(group);
