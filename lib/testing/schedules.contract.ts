import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { FeedbackStream } from '../streams/feedback-stream';
import type { ScheduleSlot, ScheduleStore } from '../streams/schedule-store';
import { until, type ContractRunner } from './feedback-stream.probe';

type WithStreams = (count: number, body: (...streams: FeedbackStream[]) => Promise<void>) => () => Promise<void>;

const CLAIM_MS = 60_000;

/** The part of the feedback contract that holds where a stream has `schedules`. */
export function scheduleContract(withStreams: WithStreams, it: ContractRunner['it']): void {
  /** A test that holds of streams with schedules, and is empty for others: what a stream has is known only once it is made. */
  const itOfSchedules = (title: string, count: number, body: (group: string, ...stores: ScheduleStore[]) => Promise<void>): unknown =>
    it(
      `schedules: ${title}`,
      withStreams(count, async (...streams) => {
        const stores = streams.flatMap(({ schedules }) => schedules ?? []);
        if (stores.length > 0) await body(`contract ${randomUUID()}`, ...stores);
      }),
    );

  /** A slot of a schedule that is known, whose time has come by the store's clock. */
  const dueSlot = async (store: ScheduleStore, group: string, name = 'one'): Promise<(owner?: string) => ScheduleSlot> => {
    const known = await store.sync(group, [name]);
    const slot = Math.max(known.now, known.schedules.get(name)!.after) + 1;
    await until('the slot is due', async () => (await store.sync(group, [])).now >= slot);
    return (owner = 'me') => ({ group, name, slot, owner });
  };
  const outcomeOf = async (store: ScheduleStore, slot: ScheduleSlot, claimMs = CLAIM_MS) => (await store.claim(slot, claimMs)).outcome;

  itOfSchedules("what is declared is known from then on, by the store's clock", 2, async (group, store, other) => {
    const first = await store.sync(group, ['one', 'two:with a colon\nand a line']);
    assert.deepEqual([...first.schedules.keys()].toSorted(), ['one', 'two:with a colon\nand a line']);
    assert.deepEqual({ ...first.schedules.get('one') }.after, first.now);
    assert.ok(Math.abs(first.now - Date.now()) < 60_000, 'epoch ms');
    await pause(5);
    const again = await other!.sync(group, ['one', 'three']);
    assert.equal(again.schedules.get('one')!.after, first.now);
    assert.ok(again.schedules.get('three')!.after > first.now);
    assert.equal(again.schedules.get('one')!.paused, false);
    assert.equal(again.schedules.get('one')!.sent, undefined);
    assert.equal((await store.sync(`${group}:other`, [])).schedules.size, 0);
  });

  itOfSchedules('of many that claim a slot at once one gets it', 3, async (group, ...stores) => {
    for (let round = 0; round < 20; round += 1) {
      const slot = await dueSlot(stores[0]!, group);
      const claims = Array.from({ length: 30 }, (_, at) => stores[at % stores.length]!.claim(slot(`owner ${at}`), CLAIM_MS));
      const outcomes = (await Promise.all(claims)).map(({ outcome }) => outcome);
      assert.equal(outcomes.filter((outcome) => outcome === 'claimed').length, 1);
      assert.equal(outcomes.filter((outcome) => outcome === 'taken').length, 29);
      await stores[1]!.complete(slot(`owner ${outcomes.indexOf('claimed')}`));
    }
  });

  itOfSchedules('a claim holds for the whole schedule, so that its slots are sent in order', 2, async (group, store, other) => {
    const slot = await dueSlot(store, group);
    const next = await dueSlot(store, group);
    assert.equal(await outcomeOf(store, slot('me')), 'claimed');
    const taken = await other!.claim({ ...next('you'), slot: slot().slot + 1 }, CLAIM_MS);
    assert.equal(taken.outcome, 'taken');
    assert.ok(taken.waitMs > CLAIM_MS - 10_000 && taken.waitMs <= CLAIM_MS, `${taken.waitMs} ms`);
    assert.equal(await outcomeOf(other!, (await dueSlot(store, group, 'two'))('you')), 'claimed', 'another schedule is free');
  });

  itOfSchedules('a claim that ends is free; its owner may prolong it', 2, async (group, store, other) => {
    const slot = await dueSlot(store, group);
    assert.equal(await outcomeOf(store, slot('me'), 30), 'claimed');
    assert.equal(await outcomeOf(store, slot('me')), 'claimed');
    await pause(60);
    assert.equal(await outcomeOf(other!, slot('you')), 'taken', 'it was prolonged');
    const second = await dueSlot(store, group, 'two');
    assert.equal(await outcomeOf(store, second('me'), 30), 'claimed');
    await until('it has ended', async () => (await outcomeOf(other!, second('you'))) === 'claimed');
    assert.equal(await outcomeOf(store, second('me')), 'taken');
    await store.release(second('me'));
    assert.equal(await outcomeOf(store, second('me')), 'taken', 'only its owner releases a claim');
  });

  itOfSchedules('a slot that was sent is done, with all before it', 2, async (group, store, other) => {
    const slot = await dueSlot(store, group);
    await store.claim(slot(), CLAIM_MS);
    await store.complete(slot());
    for (const earlier of [0, 1]) {
      const claim = await other!.claim({ ...slot('you'), slot: slot().slot - earlier }, CLAIM_MS);
      assert.deepEqual([claim.outcome, claim.after], ['done', slot().slot]);
    }
    const state = (await other!.sync(group, [])).schedules.get('one')!;
    assert.deepEqual([state.after, state.sent], [slot().slot, slot().slot]);
    await other!.complete({ ...slot('late'), slot: slot().slot - 1 });
    assert.equal((await store.sync(group, [])).schedules.get('one')!.sent, slot().slot, 'it does not go back');
    assert.equal(await outcomeOf(other!, (await dueSlot(store, group))('you')), 'claimed', 'the next is free at once');
  });

  itOfSchedules('a slot that was released is free at once', 2, async (group, store, other) => {
    const slot = await dueSlot(store, group);
    await store.claim(slot('me'), CLAIM_MS);
    await store.release(slot('me'));
    assert.equal(await outcomeOf(other!, slot('you')), 'claimed');
    assert.equal((await store.sync(group, [])).schedules.get('one')!.sent, undefined);
  });

  itOfSchedules("nobody claims before the time, by the store's clock", 1, async (group, store) => {
    const { now } = await store.sync(group, ['one']);
    const claim = await store.claim({ group, name: 'one', slot: now + 10_000, owner: 'me' }, CLAIM_MS);
    assert.equal(claim.outcome, 'early');
    assert.ok(claim.now >= now && claim.now < now + 10_000);
  });

  itOfSchedules('what is not known cannot be claimed, and leaves no trace', 1, async (group, store) => {
    const slot: ScheduleSlot = { group, name: 'nobody', slot: 1, owner: 'me' };
    assert.equal(await outcomeOf(store, slot), 'unknown');
    await store.complete(slot);
    await store.release(slot);
    await store.pause(group, 'nobody', true);
    assert.equal(await store.remove(group, 'nobody'), false);
    assert.equal((await store.sync(group, [])).schedules.size, 0);
  });

  itOfSchedules('a paused schedule cannot be claimed; what was due meanwhile is passed over', 2, async (group, store, other) => {
    const slot = await dueSlot(store, group);
    await store.pause(group, 'one', true);
    assert.equal((await other!.sync(group, [])).schedules.get('one')!.paused, true);
    assert.equal(await outcomeOf(other!, slot()), 'paused');
    await store.pause(group, 'one', false);
    const claim = await other!.claim(slot(), CLAIM_MS);
    assert.equal(claim.outcome, 'done');
    assert.ok(claim.after >= slot().slot);
    await store.pause(group, 'one', false);
    assert.equal((await other!.sync(group, [])).schedules.get('one')!.after, claim.after, 'resumed twice, passed over once');
    const next = await dueSlot(store, group);
    assert.equal(await outcomeOf(store, next('me')), 'claimed');
    await store.pause(group, 'one', true);
    assert.equal(await outcomeOf(store, next('me')), 'claimed', 'what is being sent may end');
    assert.equal(await outcomeOf(other!, next('you')), 'paused');
  });

  itOfSchedules('what is added is kept, replaced and removed', 2, async (group, store, other) => {
    await store.add(group, 'one', '{"a":"ü\\n"}');
    const first = await other!.sync(group, ['two']);
    assert.equal(first.schedules.get('one')!.definition, '{"a":"ü\\n"}');
    assert.equal(first.schedules.get('two')!.definition, undefined);
    await pause(5);
    await other!.add(group, 'one', '{}');
    const second = await store.sync(group, []);
    assert.equal(second.schedules.get('one')!.definition, '{}');
    assert.ok(second.schedules.get('one')!.after > first.schedules.get('one')!.after, 'its slots count anew');
    const slot = await dueSlot(store, group);
    await store.claim(slot(), CLAIM_MS);
    assert.equal(await other!.remove(group, 'two'), false, 'it is declared in code');
    assert.equal(await other!.remove(group, 'one'), true);
    assert.equal(await other!.remove(group, 'one'), false);
    await store.complete(slot());
    assert.deepEqual([...(await store.sync(group, [])).schedules.keys()], ['two'], 'nothing of it is left');
  });
}
