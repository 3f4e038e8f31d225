import { expect, it } from 'vitest';
import { feedbackTopicOf, isFeedbackTopic, isId, isInbox, newId, newInbox } from '../../../lib/protocol/keys';

it('fresh names are unique, and match their own rules and no others', () => {
  const ids = Array.from({ length: 1_000 }, newId);
  expect(new Set(ids).size).toBe(1_000);
  for (const id of ids) expect([isId(id), isFeedbackTopic(feedbackTopicOf(id)), isInbox(feedbackTopicOf(id))]).toEqual([true, true, false]);
  expect([isInbox(newInbox()), isFeedbackTopic(newInbox()), newInbox() === newInbox()]).toEqual([true, false, false]);
});
