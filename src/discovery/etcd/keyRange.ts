/** A prefix as etcd wants it: the first key, and the first key past it. */

/** All keys that begin with the same bytes. */
export interface KeyRange {
  readonly key: Uint8Array;
  readonly rangeEnd: Uint8Array;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true });

/** The range of a prefix: its end is the prefix with its last byte one higher, as etcd's clients do. */
export function prefixRange(prefix: string): KeyRange {
  const key = encoder.encode(prefix);
  const rangeEnd = key.slice();
  // No byte of UTF-8 is 0xff, so there is no carry.
  if (rangeEnd.length > 0) rangeEnd[rangeEnd.length - 1]!++;
  return { key: key.length > 0 ? key : Uint8Array.of(0), rangeEnd: rangeEnd.length > 0 ? rangeEnd : Uint8Array.of(0) };
}

/** The first key after this one: where the next page begins. */
export function keyAfter(key: Uint8Array): Uint8Array {
  const next = new Uint8Array(key.length + 1);
  next.set(key);
  return next;
}

/** The text of a key or value; undefined when it is not UTF-8. */
export function textOf(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
}

export function bytesOf(text: string): Uint8Array {
  return encoder.encode(text);
}
