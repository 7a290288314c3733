/** What TXT records say of a node. */

import type { NodeInit } from '../../core/node.js';
import type { DnsRecord } from './record.js';

const facts = ['version', 'namespace', 'zone', 'region'] as const;

/**
 * Each string is `key=value` or a bare `key`. `version`, `namespace`, `zone` and `region` are facts of their own; what
 * has a value is metadata, and all are tags. Of several with one key the first counts (RFC 6763, 6.4).
 */
export function attributesOf(records: readonly DnsRecord[]): Partial<NodeInit> {
  const strings = records.flatMap((record) => (record.type === 'TXT' ? record.strings : [])).sort();
  const tags: Record<string, string> = {};
  const metadata: Record<string, string> = {};
  for (const text of strings) {
    const at = text.indexOf('=');
    const key = at < 0 ? text : text.slice(0, at);
    if (key === '' || key === '__proto__' || Object.hasOwn(tags, key)) continue;
    tags[key] = at < 0 ? '' : text.slice(at + 1);
    if (at >= 0) metadata[key] = tags[key];
  }
  const given = facts.flatMap((fact) => (metadata[fact] ? [[fact, metadata[fact]]] : []));
  for (const fact of facts) {
    delete tags[fact];
    delete metadata[fact];
  }
  return { ...(Object.fromEntries(given) as Partial<NodeInit>), tags, metadata };
}
