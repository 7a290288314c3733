/**
 * A ring of points, each owned by a numbered slot: of 32 bits, when it takes single owners in and out without being
 * built anew, or of 64 bits, when it is filled at once.
 *
 * Points are kept sorted in typed arrays. A table says where each stretch of the circle begins, so that a look-up reads
 * one short stretch whatever the size of the ring.
 */

/** Points a stretch, on average. */
const stretch = 8;

/** Owners are numbered below this, so that a point packs into one exact number. */
const owners = 2 ** 21;

/** A point as one number, in the order of the circle. */
export function ringPoint(position: number, owner: number): number {
  return position * owners + owner;
}

export class HashRing {
  /** The owner of each point, in order around the circle. */
  owners = new Int32Array(0);
  size = 0;
  private positions = new Uint32Array(0);
  /** The lower halves, on a ring of 64 bits. */
  private lows: Uint32Array | undefined = undefined;
  private starts = new Uint32Array(2);
  private shift = 31;
  private readonly before: (a: number, b: number) => boolean;

  /** @param before which of two owners comes first where their points meet; must not depend on their numbers. */
  constructor(before: (a: number, b: number) => boolean) {
    this.before = before;
  }

  /** Index of the first point at or after a position; 0 past the last one. */
  at(position: number): number {
    const { positions, size } = this;
    let index = this.starts[position >>> this.shift]!;
    while (index < size && positions[index]! < position) index++;
    return index === size ? 0 : index;
  }

  /** The same on a ring of 64 bits, for a position in two halves. */
  at64(high: number, low: number): number {
    const { positions, size } = this;
    const lows = this.lows!;
    let index = this.starts[high >>> this.shift]!;
    while (index < size && positions[index]! < high) index++;
    while (index < size && positions[index] === high && lows[index]! < low) index++;
    return index === size ? 0 : index;
  }

  /** Makes it a ring of these points of 64 bits, given as upper halves, lower halves and owners. */
  fill(highs: Uint32Array, lows: Uint32Array, owners: Int32Array): void {
    const size = highs.length;
    this.size = size;
    this.positions = new Uint32Array(size);
    this.lows = new Uint32Array(size);
    this.owners = new Int32Array(size);
    this.divide();
    const { starts, shift } = this;
    starts.fill(0);
    for (let i = 0; i < size; i++) starts[highs[i]! >>> shift]!++;
    let start = 0;
    for (let stretch = 0; stretch < starts.length; stretch++) {
      const count = starts[stretch]!;
      starts[stretch] = start;
      start += count;
    }
    // Hashes are even, so each falls among few of its stretch.
    const ends = starts.slice();
    for (let i = 0; i < size; i++) {
      const stretch = highs[i]! >>> shift;
      this.settle(ends[stretch]!++, starts[stretch]!, highs[i]!, lows[i]!, owners[i]!);
    }
  }

  /** Puts in points made by `ringPoint`. Only what lies behind each is moved, block by block. */
  insert(points: readonly number[]): void {
    const sorted = Float64Array.from(points).sort();
    const landed = new Int32Array(sorted.length);
    this.reserve(this.size + sorted.length);
    const { positions } = this;
    let end = this.size;
    for (let left = sorted.length - 1; left >= 0; left--) {
      const position = Math.floor(sorted[left]! / owners);
      const place = this.firstAfter(position, end);
      this.move(place, end, left + 1);
      positions[place + left] = position;
      this.owners[place + left] = sorted[left]! - position * owners;
      landed[left] = place + left;
      end = place;
    }
    this.size += sorted.length;
    for (const place of landed) this.orderMeeting(place);
    this.tabulate();
  }

  /** Takes out the points of all other owners. */
  keep(stays: (owner: number) => boolean): void {
    const { positions, owners } = this;
    let kept = 0;
    for (let i = 0; i < this.size; i++) {
      if (!stays(owners[i]!)) continue;
      positions[kept] = positions[i]!;
      owners[kept++] = owners[i]!;
    }
    this.size = kept;
    this.tabulate();
  }

  /** Puts a point at the end of a sorted stretch, and what is greater behind it. */
  private settle(end: number, start: number, high: number, low: number, owner: number): void {
    const { positions, owners } = this;
    const lows = this.lows!;
    let at = end;
    for (; at > start; at--) {
      const other = positions[at - 1]!;
      if (other < high) break;
      if (other === high) {
        if (lows[at - 1]! < low) break;
        if (lows[at - 1] === low && !this.before(owner, owners[at - 1]!)) break;
      }
      positions[at] = other;
      lows[at] = lows[at - 1]!;
      owners[at] = owners[at - 1]!;
    }
    positions[at] = high;
    lows[at] = low;
    owners[at] = owner;
  }

  private move(from: number, end: number, by: number): void {
    const { positions, owners } = this;
    if (end - from > 32) {
      positions.copyWithin(from + by, from, end);
      owners.copyWithin(from + by, from, end);
      return;
    }
    for (let i = end - 1; i >= from; i--) {
      positions[i + by] = positions[i]!;
      owners[i + by] = owners[i]!;
    }
  }

  /** Where points meet, their order must not depend on who came first. */
  private orderMeeting(place: number): void {
    const { positions, owners } = this;
    for (let at = place; at > 0 && positions[at] === positions[at - 1]; at--) {
      const [left, right] = [owners[at - 1]!, owners[at]!];
      if (!this.before(right, left)) return;
      owners[at - 1] = right;
      owners[at] = left;
    }
  }

  private firstAfter(position: number, end: number): number {
    let low = 0;
    let high = end;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.positions[middle]! <= position) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  private reserve(size: number): void {
    if (size <= this.positions.length) return;
    const capacity = Math.ceil(size * 1.1);
    const positions = new Uint32Array(capacity);
    const owners = new Int32Array(capacity);
    positions.set(this.positions.subarray(0, this.size));
    owners.set(this.owners.subarray(0, this.size));
    this.positions = positions;
    this.owners = owners;
  }

  private divide(): void {
    const bits = Math.max(1, Math.ceil(Math.log2(Math.max(1, this.size / stretch))));
    const count = 2 ** bits;
    if (this.starts.length !== count) this.starts = new Uint32Array(count);
    this.shift = 32 - bits;
  }

  private tabulate(): void {
    this.divide();
    const { positions, starts, shift, size } = this;
    let next = 0;
    for (let i = 0; i < size; i++) {
      const at = positions[i]! >>> shift;
      while (next <= at) starts[next++] = i;
    }
    starts.fill(size, next);
  }
}
