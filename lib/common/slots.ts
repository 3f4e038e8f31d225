/** A crowd of things that come and go: each has a number for as long as it is there. Its lists stay as long as the crowd ever was. */
export class Slots<Item> {
  private readonly items: (Item | undefined)[] = [];
  private readonly free: number[] = [];

  get size(): number {
    return this.items.length - this.free.length;
  }

  /** @returns its number, which another has once it is deleted */
  add(item: Item): number {
    const slot = this.free.pop() ?? this.items.length;
    this.items[slot] = item;
    return slot;
  }

  get(slot: number): Item | undefined {
    return this.items[slot];
  }

  /** @returns whether it was there: the number of another is not touched */
  delete(slot: number, item: Item): boolean {
    if (this.items[slot] !== item) return false;
    this.items[slot] = undefined;
    this.free.push(slot);
    return true;
  }

  /** All that is there now, in no order. */
  values(): Item[] {
    return this.items.filter((item) => item !== undefined);
  }
}

/**
 * A map for what comes and goes by the thousand. A `Map` makes its table anew when enough was deleted from it, and the old table, with
 * what was in it then, leads to the new one: from the first that has grown old, all that follow are kept until the old generation is
 * collected, however short they live. Here the tables hold keys and numbers, and no values.
 */
export class SlotMap<Value> {
  private readonly numbers = new Map<string, number>();
  private readonly slots = new Slots<Value>();

  get size(): number {
    return this.numbers.size;
  }

  get(key: string): Value | undefined {
    const slot = this.numbers.get(key);
    return slot === undefined ? undefined : this.slots.get(slot);
  }

  set(key: string, value: Value): void {
    this.delete(key);
    this.numbers.set(key, this.slots.add(value));
  }

  delete(key: string): boolean {
    const slot = this.numbers.get(key);
    if (slot === undefined) return false;
    this.slots.delete(slot, this.slots.get(slot)!);
    return this.numbers.delete(key);
  }

  /** All that is there now, in the order it came. */
  values(): Value[] {
    return Array.from(this.numbers.values(), (slot) => this.slots.get(slot)!);
  }
}
