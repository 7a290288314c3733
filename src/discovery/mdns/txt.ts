/** The TXT record of an instance as plain metadata (RFC 6763, 6), and what of it we know by name. */

import type { Availability, NodeFacts } from '../../core/node.js';

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

/** What a TXT record says of a node by the keys that `mdnsRegistry()` writes, and `version` as Lumen nodes do. */
export interface TxtFacts extends Pick<NodeFacts, 'version' | 'namespace' | 'zone' | 'region' | 'weight' | 'tags'> {
  readonly availability: Availability;
}

/** Values that make no sense count as not there. */
export function txtFacts(txt: Readonly<Record<string, string>>): TxtFacts {
  const weight = Number(txtValue(txt, 'weight') ?? 1);
  const tags = (txtValue(txt, 'tags') ?? '').split(',').filter((tag) => tag !== '' && !tag.startsWith('='));
  return {
    version: txtValue(txt, 'v', 'version'),
    namespace: txtValue(txt, 'namespace'),
    zone: txtValue(txt, 'zone'),
    region: txtValue(txt, 'region'),
    weight: Number.isFinite(weight) && weight >= 0 ? weight : 1,
    tags: Object.fromEntries(tags.map((tag) => [tag.split('=', 1)[0]!, tag.slice(tag.split('=', 1)[0]!.length + 1)])),
    availability: txtValue(txt, 'availability') === 'draining' ? 'draining' : 'discovered',
  };
}

/** The value of the first of these keys that is there, whatever its case. */
export function txtValue(txt: Readonly<Record<string, string>>, ...keys: readonly string[]): string | undefined {
  for (const wanted of keys) {
    const entry = Object.entries(txt).find(([key]) => key.toLowerCase() === wanted);
    if (entry?.[1]) return entry[1];
  }
  return undefined;
}
