/** The TXT record of an instance as plain metadata (RFC 6763, 6). */

/**
 * Each `key=value` as an entry. Of keys that differ only in case the first counts; a key without `=` has the value
 * `''`; what has no key is left out. Bytes that are no UTF-8 become U+FFFD. Any key is safe, `__proto__` included.
 */
export function readTxt(strings: readonly Uint8Array[]): Readonly<Record<string, string>> {
  const entries = new Map<string, readonly [string, string]>();
  for (const bytes of strings) {
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8');
    const split = text.indexOf('=');
    const key = split < 0 ? text : text.slice(0, split);
    if (key === '' || entries.has(key.toLowerCase())) continue;
    entries.set(key.toLowerCase(), [key, split < 0 ? '' : text.slice(split + 1)]);
  }
  return Object.fromEntries(entries.values());
}

/** The value of the first of these keys that is there, whatever its case. */
export function txtValue(txt: Readonly<Record<string, string>>, ...keys: readonly string[]): string | undefined {
  for (const wanted of keys) {
    const entry = Object.entries(txt).find(([key]) => key.toLowerCase() === wanted);
    if (entry?.[1]) return entry[1];
  }
  return undefined;
}
