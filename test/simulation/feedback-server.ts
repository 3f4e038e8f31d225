import { decodeFrame, numbersOf } from '../../lib/protocol/frame';
import { decodeControl } from '../../lib/protocol/control-message';
import type { InboxField, InboxItem, InboxReaderOptions, WriteResult } from '../../lib/streams/feedback-stream';
import type { Broker } from './broker';
import type { Facts } from './facts';
import type { Plan } from './plan';
import type { Actor, World } from './world';

interface StoredInbox {
  readonly actor: Actor;
  readonly options: InboxReaderOptions;
  items: InboxItem[];
  /** When its reader last renewed it; undefined: it does so all the time. */
  renewedAt: number | undefined;
  reading: boolean;
  gone: boolean;
}

/** Redis as far as the feedback stream sees it: inboxes, leases, marks of cancelled requests, and what goes wrong with them. */
export class FeedbackServer {
  private readonly inboxes = new Map<string, StoredInbox>();
  private readonly marks = new Map<string, number>();
  /** Nothing is written or read before. */
  awayUntil = 0;
  /** Writes fail, or are acknowledged too late, until then. */
  faultyUntil = 0;
  /** What is acknowledged may be lost until then, as where a replica takes over. */
  losingUntil = 0;
  losingCreditUntil = 0;
  /** By process: its sockets are cut until then. */
  private readonly cutUntil = new Map<Actor, number>();

  constructor(
    readonly world: World,
    readonly broker: Broker,
    private readonly facts: Facts,
    private readonly plan: Plan,
  ) {}

  /** When a process can reach the server, or could last not: epoch ms. */
  reachableFrom(actor: Actor): number {
    return Math.max(this.awayUntil, this.cutUntil.get(actor) ?? 0);
  }

  isReachable(actor: Actor): boolean {
    return this.world.time >= this.reachableFrom(actor);
  }

  has(key: string): boolean {
    const inbox = this.inboxes.get(key);
    return inbox !== undefined && this.expiresAt(inbox) > this.world.time;
  }

  /** What is left: nothing, once all have closed and every TTL is over. */
  keys(): string[] {
    const { time } = this.world;
    const marks = [...this.marks].filter(([, until]) => until > time).map(([id]) => `mark ${id}`);
    return [...[...this.inboxes.keys()].filter((key) => this.has(key)), ...marks];
  }

  create(actor: Actor, options: InboxReaderOptions): void {
    this.world.note(actor.name, 'opens', options.inbox);
    this.inboxes.set(options.inbox, {
      actor,
      options,
      items: [],
      renewedAt: actor.dead ? this.world.time : undefined,
      reading: false,
      gone: false,
    });
    this.world.check('F3', options.ttlMs > 0 && options.leaseMs > 0, () => `${options.inbox} lives for ever`);
  }

  delete(key: string): void {
    const inbox = this.inboxes.get(key);
    if (inbox) inbox.gone = true;
    this.inboxes.delete(key);
  }

  write(key: string, items: readonly InboxItem[]): WriteResult {
    this.world.note(
      'feedback',
      this.has(key) ? 'stores' : 'has no',
      key,
      items.map(({ value }) => value),
    );
    const isThere = this.has(key);
    for (const item of items) this.look(item, isThere);
    if (!isThere) return 'gone';
    const inbox = this.inboxes.get(key)!;
    inbox.items.push(...items.filter((item) => !this.loses(item)));
    this.readSoon(inbox);
    return 'written';
  }

  isAlive(key: string): { readonly exists: boolean; readonly lease: boolean } {
    const inbox = this.inboxes.get(key);
    const exists = this.has(key);
    const lease = exists && (inbox!.renewedAt === undefined || inbox!.renewedAt + inbox!.options.leaseMs > this.world.time);
    if (!lease) this.facts.heldDead.add(key);
    return { exists, lease };
  }

  mark(id: string, ttlMs: number): void {
    this.world.check('F3', ttlMs > 0 && ttlMs < Infinity, () => `The mark of ${id} lives for ${ttlMs} ms`);
    this.world.note('feedback', 'marks', id);
    this.marks.set(id, this.world.time + ttlMs);
    this.facts.marked.set(id, this.world.time);
  }

  isMarked(id: string): boolean {
    return (this.marks.get(id) ?? 0) > this.world.time;
  }

  /** The process renews nothing from now on: it has died, is frozen or cut off. */
  suspend(actor: Actor): void {
    for (const inbox of this.inboxes.values()) {
      if (inbox.actor === actor) inbox.renewedAt ??= this.world.time - this.world.random.between(0, inbox.options.leaseMs / 3);
    }
  }

  resume(actor: Actor): void {
    if (actor.dead || actor.frozenUntil > this.world.time || !this.isReachable(actor)) return;
    for (const inbox of [...this.inboxes.values()]) {
      if (inbox.actor !== actor) continue;
      if (this.expiresAt(inbox) <= this.world.time) this.lose(inbox);
      else inbox.renewedAt = undefined;
      this.readSoon(inbox);
    }
  }

  cut(actor: Actor, forMs: number): void {
    this.cutUntil.set(actor, Math.max(this.world.time + forMs, this.cutUntil.get(actor) ?? 0));
    this.suspend(actor);
    this.world.after(forMs + 1, undefined, () => this.resume(actor));
  }

  goAway(forMs: number): void {
    this.awayUntil = Math.max(this.awayUntil, this.world.time + forMs);
    const actors = new Set([...this.inboxes.values()].map(({ actor }) => actor));
    for (const actor of actors) this.suspend(actor);
    this.world.after(forMs + 1, undefined, () => actors.forEach((actor) => this.resume(actor)));
  }

  /** All keys are gone. */
  empty(): void {
    this.marks.clear();
    for (const inbox of [...this.inboxes.values()]) this.lose(inbox);
  }

  private lose(inbox: StoredInbox): void {
    const { options, actor } = inbox;
    this.inboxes.delete(options.inbox);
    this.world.after(this.world.random.between(0, options.leaseMs / 3), actor, () => {
      if (inbox.gone) return;
      inbox.gone = true;
      this.world.note(actor.name, 'has lost', options.inbox);
      options.onLost();
      const open = [...this.facts.lanes.values()].find((lane) => lane.actor === actor && !lane.isOver());
      this.world.check('F2', !open, () => `The lane of ${open!.send.n} outlives the inbox of ${actor.name}`);
    });
  }

  private expiresAt({ renewedAt, options }: StoredInbox): number {
    return renewedAt === undefined ? Infinity : renewedAt + options.ttlMs;
  }

  private readSoon(inbox: StoredInbox): void {
    if (inbox.reading) return;
    inbox.reading = true;
    this.world.after(this.broker.delay(), inbox.actor, () => {
      inbox.reading = false;
      if (inbox.gone || inbox.items.length === 0 || !this.isReachable(inbox.actor)) return;
      if (this.inboxes.get(inbox.options.inbox) !== inbox) return;
      const count = this.world.random.chance(0.8) ? inbox.items.length : 1 + this.world.random.below(inbox.items.length);
      const items = inbox.items.splice(0, count);
      if (inbox.items.length > 0) this.readSoon(inbox);
      inbox.options.onItems(items);
    });
  }

  /** Cancels and the first frame of a run are spared: a run that nobody can stop would go on. */
  private loses({ field, value }: InboxItem): boolean {
    const { time, random } = this.world;
    if (time >= (field === 'control' ? this.losingCreditUntil : this.losingUntil)) return false;
    if (field === 'control') return linesOf(value).every((line) => decodeControl(line).control === 'credit') && random.chance(0.5);
    return linesOf(value).every((line) => decodeFrame(line).seq! > 0) && random.chance(0.15);
  }

  /** What is seen of an item on its way: the end of a request, and whether it keeps to its credit (F5). */
  private look({ field, value }: InboxItem, isThere: boolean): void {
    for (const line of linesOf(value)) this.lookAt(field, line, isThere);
  }

  private lookAt(field: InboxField, line: string, isThere: boolean): void {
    const { facts } = this;
    if (field === 'control') {
      const message = decodeControl(line);
      if (message.control === 'credit') facts.credit.set(message.id, Math.max(facts.credit.get(message.id) ?? 0, message.upTo));
      return;
    }
    const frame = decodeFrame(line);
    const { id, event, seq } = frame;
    // Where two groups answer, the one that ends first ends the request for both.
    if (event === 'response_end' || event === 'response_end_with_error' || !isThere) facts.ended.add(id!);
    const credit = Math.max(facts.credit.get(id!) ?? 0, facts.lanesById.get(id!)?.send.credit ?? 0);
    // What must finish and cannot be given credit any more does without.
    const isFree = event !== 'response' || (facts.faults.has('emptied') && this.mustFinish(id!));
    const last = seq! + numbersOf(frame) - 1;
    this.world.check('F5', isFree || last < credit, () => `Frame ${seq} to ${last} of ${id} is sent with a credit of ${credit}`);
  }

  private mustFinish(id: string): boolean {
    const topic = this.facts.lanesById.get(id)?.send.topic ?? 'nested';
    return !this.plan.listeners[topic]!.cancellable;
  }
}

const linesOf = (value: Buffer): readonly string[] => value.toString().split('\n');
