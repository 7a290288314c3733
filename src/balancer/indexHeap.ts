/** A binary heap of small numbers, ordered by keys that are kept elsewhere. */
export class IndexHeap {
  size = 0;
  private readonly entries: Int32Array;
  private readonly keys: Float64Array;

  /** @param keys the key of each entry; must not change while the entry is in the heap, unless the order stays. */
  constructor(keys: Float64Array) {
    this.keys = keys;
    this.entries = new Int32Array(keys.length);
  }

  /** The entry with the least key. */
  get first(): number {
    return this.entries[0]!;
  }

  push(entry: number): void {
    const { entries, keys } = this;
    let place = this.size++;
    while (place > 0) {
      const parent = (place - 1) >> 1;
      if (!this.before(entry, entries[parent]!, keys)) break;
      entries[place] = entries[parent]!;
      place = parent;
    }
    entries[place] = entry;
  }

  pop(): number {
    const { entries, keys } = this;
    const first = entries[0]!;
    const last = entries[--this.size]!;
    const { size } = this;
    let place = 0;
    for (let child = 1; child < size; child = place * 2 + 1) {
      if (child + 1 < size && this.before(entries[child + 1]!, entries[child]!, keys)) child++;
      if (!this.before(entries[child]!, last, keys)) break;
      entries[place] = entries[child]!;
      place = child;
    }
    entries[place] = last;
    return first;
  }

  private before(a: number, b: number, keys: Float64Array): boolean {
    return keys[a]! < keys[b]! || (keys[a] === keys[b] && a < b);
  }
}
