/** What a limiter keeps for each key, such as a tenant: many, but not endlessly many. */

/** How many are looked at, at most, to find one that can be forgotten. */
const looks = 32;
/** What those share for whom there was no place. */
const overflow = '…';

/**
 * Keys come from callers, so their number is bounded: past `most`, a new key takes the place of one that is `idle`, whose lane
 * a new one would equal; where none is found among a few, those who are new share one lane until there is.
 */
export class KeyedLanes<L> {
  private readonly lanes = new Map<string, L>();
  private readonly make: (key: string) => L;
  private readonly idle: (lane: L) => boolean;
  private readonly most: number;
  /** Goes round and round, and on where it was. */
  private visit: Iterator<[string, L]> | undefined = undefined;

  constructor(make: (key: string) => L, idle: (lane: L) => boolean, most: number) {
    this.make = make;
    this.idle = idle;
    this.most = most;
  }

  get size(): number {
    return this.lanes.size;
  }

  of(key: string): L {
    return this.lanes.get(key) ?? this.admit(key);
  }

  get(key: string): L | undefined {
    return this.lanes.get(key);
  }

  delete(key: string): void {
    this.lanes.delete(key);
  }

  [Symbol.iterator](): IterableIterator<[string, L]> {
    return this.lanes.entries();
  }

  private admit(key: string): L {
    const known = this.lanes.size < this.most || this.makeRoom() ? key : overflow;
    let lane = this.lanes.get(known);
    if (lane === undefined) this.lanes.set(known, (lane = this.make(known)));
    return lane;
  }

  private makeRoom(): boolean {
    for (let left = looks; left > 0; left--) {
      this.visit ??= this.lanes.entries();
      const { done, value } = this.visit.next();
      if (done) this.visit = undefined;
      else if (this.idle(value[1])) {
        this.lanes.delete(value[0]);
        return true;
      }
    }
    return false;
  }
}
