/**
 * A 32-bit hash of a text: MurmurHash3_x86_32 of its UTF-16LE bytes.
 *
 * Written from the public-domain description by A. Appleby (SMHasher). Two characters make a block, so that no text is
 * encoded anew for each call.
 */

/** Scatters 32 bits: a bijection in which each bit of the input changes half the bits of the output. */
export function mix32(bits: number): number {
  let h = bits;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** The hash, from 0 to 2^32 - 1. */
export function murmur3(text: string, seed = 0): number {
  const { length } = text;
  let h = seed;
  let i = 0;
  for (; i + 1 < length; i += 2) {
    h ^= scramble(text.charCodeAt(i) | (text.charCodeAt(i + 1) << 16));
    h = (Math.imul((h << 13) | (h >>> 19), 5) + 0xe6546b64) | 0;
  }
  if (i < length) h ^= scramble(text.charCodeAt(i));
  return mix32(h ^ (length * 2));
}

function scramble(block: number): number {
  const k = Math.imul(block, 0xcc9e2d51);
  return Math.imul((k << 15) | (k >>> 17), 0x1b873593);
}
