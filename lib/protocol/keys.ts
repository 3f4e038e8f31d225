import { randomFillSync, randomUUID } from 'node:crypto';

const TAIL = '[A-Za-z0-9._-]{1,128}';
const FEEDBACK_TOPIC = new RegExp(`^streamback_feedback_${TAIL}$`);
const INBOX = new RegExp(`^streamback_inbox_${TAIL}$`);
const ID = new RegExp(`^${TAIL}$`);

const ID_BYTES = 16;
/** Drawn for many ids at once, as a draw costs more than an id. */
const random = Buffer.allocUnsafeSlow(512 * ID_BYTES);
let drawn = random.length;

/**
 * Not a `randomUUID`, which is put together of twenty strings: V8 keeps them all, and puts them together anew whenever it compares.
 */
function drawId(): string {
  if (drawn === random.length) {
    randomFillSync(random);
    drawn = 0;
  }
  return random.toString('base64url', drawn, (drawn += ID_BYTES));
}

/** Where ids come from; replaced where the same ids must come again. */
export const idSource = { draw: drawId };

/** A fresh id for a request or an event; knowing others does not help to guess it. */
export const newId = (): string => idSource.draw();

/** The feedback topic of a request; its name alone says whose it is, as in Python. */
export const feedbackTopicOf = (id: string): string => `streamback_feedback_${id}`;

/** The request that a feedback topic is of. */
export const idOfFeedbackTopic = (feedbackTopic: string): string => feedbackTopic.slice(feedbackTopicOf('').length);

/** A fresh name for a process's inbox. */
export const newInbox = (): string => `streamback_inbox_${randomUUID()}`;

/** Whether answers may be written there: whatever else a message names is never written to. */
export const isFeedbackTopic = (key: unknown): key is string => typeof key === 'string' && FEEDBACK_TOPIC.test(key);

/** Whether frames or control may be written there. */
export const isInbox = (key: unknown): key is string => typeof key === 'string' && INBOX.test(key);

/** Whether a message's id can be one of ours. */
export const isId = (id: unknown): id is string => typeof id === 'string' && ID.test(id);
