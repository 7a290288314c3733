/** Whether somebody else has, or is claiming, a name. */

import { encodeData, typeCode } from '../../discovery/mdns/encode.js';
import { nameKey } from '../../discovery/mdns/name.js';
import { recordKey, type MdnsRecord, type Packet } from '../../discovery/mdns/packet.js';

/**
 * True when a response holds a record of this name that is none of `own`: the name is taken (RFC 6762, 9). `own`
 * holds the keys of our records, those of a moment ago included, since what we send comes back to us.
 */
export function isConflict(response: Packet, name: string, own: ReadonlySet<string>): boolean {
  const key = nameKey(name);
  return [...response.answers, ...response.additionals].some(
    (record) => record.ttl > 0 && nameKey(record.name) === key && !own.has(recordKey(record)),
  );
}

/**
 * Which of two that probe for the same name at the same time goes on: the one whose records come later in the order
 * of RFC 6762, 8.2. Over 0: we win. Under 0: we wait and probe again. 0: the probe says what ours does.
 */
export function tieBreak(own: readonly MdnsRecord[], theirs: readonly MdnsRecord[]): number {
  const a = own.map(wire).sort(Buffer.compare);
  const b = theirs.map(wire).sort(Buffer.compare);
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const order = Buffer.compare(a[i]!, b[i]!);
    if (order !== 0) return order;
  }
  return a.length - b.length;
}

/** Type and data; the class is always IN. */
function wire(record: MdnsRecord): Buffer {
  const type = Buffer.alloc(2);
  type.writeUInt16BE(typeCode(record.type));
  return Buffer.concat([type, encodeData(record)]);
}
