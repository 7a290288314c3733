/**
 * A 64-bit hash of a text: XXH64 of its UTF-8 bytes, as gRPC and Envoy hash for their rings and tables.
 *
 * Written from the specification (Y. Collet, xxHash, `doc/xxhash_spec.md`). It works on two halves of 32 bits, since a
 * BigInt costs an allocation a step, and reads the characters of the text as the bytes that they nearly always are.
 */

const [p1High, p1Low] = [0x9e3779b1 | 0, 0x85ebca87 | 0];
const [p2High, p2Low] = [0xc2b2ae3d | 0, 0x27d4eb4f | 0];
const [p3High, p3Low] = [0x165667b1 | 0, 0x9e3779f9 | 0];
const [p4High, p4Low] = [0x85ebca77 | 0, 0xc2b2ae63 | 0];
const [p5High, p5Low] = [0x27d4eb2f | 0, 0x165667c5 | 0];

/** Hashes one text after the other; the hash of the last stands in `high` and `low`, so that none is allocated. */
export class Xxh64 {
  /** The upper half, as a signed whole number of 32 bits. */
  high = 0;
  /** The lower half, likewise. */
  low = 0;
  /** Whether a character was met that is more than one byte. */
  private wide = false;
  /** The four accumulators of long texts, each as high and low. */
  private readonly lanes = new Int32Array(8);

  /** @param seed a whole number below 2^32. */
  hash(text: string, seed = 0): void {
    this.wide = false;
    this.digest(text, seed | 0);
    if (this.wide) this.digest(bytesOf(text), seed | 0);
  }

  private digest(text: string, seed: number): void {
    const { length } = text;
    let at = 0;
    let high: number;
    let low: number;
    if (length < 32) {
      low = (seed + p5Low) | 0;
      high = (p5High + carry(low, p5Low)) | 0;
    } else {
      at = this.stripes(text, seed);
      this.converge();
      ({ high, low } = this);
    }
    low = (low + length) | 0;
    high = (high + carry(low, length)) | 0;

    let turned: number;
    for (; at + 8 <= length; at += 8) {
      // The same as a round from nought, without the way through the fields.
      const lane = this.word(text, at);
      const upper = timesHigh(this.word(text, at + 4), lane, p2High, p2Low);
      const lower = Math.imul(lane, p2Low);
      turned = (lower << 31) | (upper >>> 1);
      high ^= timesHigh((upper << 31) | (lower >>> 1), turned, p1High, p1Low);
      low ^= Math.imul(turned, p1Low);
      turned = (high << 27) | (low >>> 5);
      low = (low << 27) | (high >>> 5);
      high = timesHigh(turned, low, p1High, p1Low);
      low = (Math.imul(low, p1Low) + p4Low) | 0;
      high = (high + p4High + carry(low, p4Low)) | 0;
    }
    if (at + 4 <= length) {
      const lane = this.word(text, at);
      at += 4;
      high ^= timesHigh(0, lane, p1High, p1Low);
      low ^= Math.imul(lane, p1Low);
      turned = (high << 23) | (low >>> 9);
      low = (low << 23) | (high >>> 9);
      high = timesHigh(turned, low, p2High, p2Low);
      low = (Math.imul(low, p2Low) + p3Low) | 0;
      high = (high + p3High + carry(low, p3Low)) | 0;
    }
    for (; at < length; at++) {
      const lane = text.charCodeAt(at);
      if (lane > 0x7f) this.wide = true;
      high ^= timesHigh(0, lane, p5High, p5Low);
      low ^= Math.imul(lane, p5Low);
      turned = (high << 11) | (low >>> 21);
      low = (low << 11) | (high >>> 21);
      high = timesHigh(turned, low, p1High, p1Low);
      low = Math.imul(low, p1Low);
    }

    low ^= high >>> 1;
    high = timesHigh(high, low, p2High, p2Low);
    low = Math.imul(low, p2Low);
    low ^= (low >>> 29) | (high << 3);
    high ^= high >>> 29;
    high = timesHigh(high, low, p3High, p3Low);
    this.high = high;
    this.low = Math.imul(low, p3Low) ^ high;
  }

  /** One step of an accumulator, into `high` and `low`. */
  private round(high: number, low: number, laneHigh: number, laneLow: number): void {
    const product = Math.imul(laneLow, p2Low);
    const sum = (low + product) | 0;
    const upper = (high + timesHigh(laneHigh, laneLow, p2High, p2Low) + carry(sum, product)) | 0;
    const turned = (sum << 31) | (upper >>> 1);
    this.high = timesHigh((upper << 31) | (sum >>> 1), turned, p1High, p1Low);
    this.low = Math.imul(turned, p1Low);
  }

  /** Takes all whole stripes of 32 bytes into the accumulators; returns where they end. */
  private stripes(text: string, seed: number): number {
    const { lanes } = this;
    lanes.fill(0);
    // The seed is of 32 bits, and borrows from the upper half where the prime is taken from it.
    this.start(0, seed, 0, p1High, p1Low);
    this.start(0, lanes[1]!, lanes[0]!, p2High, p2Low);
    this.start(1, seed, 0, p2High, p2Low);
    this.start(2, seed, 0, 0, 0);
    this.start(3, seed, 0, ~p1High, -p1Low | 0);
    let at = 0;
    for (; at + 32 <= text.length; at += 32) {
      for (let lane = 0; lane < 4; lane++) {
        const from = at + 8 * lane;
        this.round(lanes[2 * lane]!, lanes[2 * lane + 1]!, this.word(text, from + 4), this.word(text, from));
        lanes[2 * lane] = this.high;
        lanes[2 * lane + 1] = this.low;
      }
    }
    return at;
  }

  private start(lane: number, low: number, high: number, addHigh: number, addLow: number): void {
    const sum = (low + addLow) | 0;
    this.lanes[2 * lane] = (high + addHigh + carry(sum, addLow)) | 0;
    this.lanes[2 * lane + 1] = sum;
  }

  /** Makes one accumulator of four, in `high` and `low`. */
  private converge(): void {
    const { lanes } = this;
    let high = 0;
    let low = 0;
    for (let lane = 0; lane < 4; lane++) {
      const [upper, lower] = [lanes[2 * lane]!, lanes[2 * lane + 1]!];
      const by = turns[lane]!;
      const turned = (lower << by) | (upper >>> (32 - by));
      low = (low + turned) | 0;
      high = (high + ((upper << by) | (lower >>> (32 - by))) + carry(low, turned)) | 0;
    }
    for (let lane = 0; lane < 4; lane++) {
      this.round(0, 0, lanes[2 * lane]!, lanes[2 * lane + 1]!);
      high ^= this.high;
      low ^= this.low;
      high = timesHigh(high, low, p1High, p1Low);
      low = (Math.imul(low, p1Low) + p4Low) | 0;
      high = (high + p4High + carry(low, p4Low)) | 0;
    }
    this.high = high;
    this.low = low;
  }

  /** Four bytes, the lowest first. */
  private word(text: string, at: number): number {
    const a = text.charCodeAt(at);
    const b = text.charCodeAt(at + 1);
    const c = text.charCodeAt(at + 2);
    const d = text.charCodeAt(at + 3);
    if ((a | b | c | d) > 0x7f) this.wide = true;
    return a | (b << 8) | (c << 16) | (d << 24);
  }
}

const turns = [1, 7, 12, 18];

/** 1 when a sum of two lower halves, one of them `part`, went past 32 bits. */
function carry(sum: number, part: number): number {
  return sum >>> 0 < part >>> 0 ? 1 : 0;
}

/** The upper half of a product of two numbers of 64 bits; its lower half is `Math.imul(low, otherLow)`. */
function timesHigh(high: number, low: number, otherHigh: number, otherLow: number): number {
  const a = low & 0xffff;
  const b = low >>> 16;
  const c = otherLow & 0xffff;
  const d = otherLow >>> 16;
  const middle = (Math.imul(b, c) + (Math.imul(a, c) >>> 16)) | 0;
  const other = (Math.imul(a, d) + (middle & 0xffff)) | 0;
  const upper = Math.imul(b, d) + (middle >>> 16) + (other >>> 16);
  return (upper + Math.imul(high, otherLow) + Math.imul(low, otherHigh)) | 0;
}

const encoder = new TextEncoder();

/** A text of which each character is one byte of the UTF-8 of another. */
function bytesOf(text: string): string {
  let bytes = '';
  for (const byte of encoder.encode(text)) bytes += String.fromCharCode(byte);
  return bytes;
}
