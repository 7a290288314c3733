/** What an announced instance says to a question. */

import { nameKey } from '../../discovery/mdns/name.js';
import { recordKey, type MdnsRecord, type Packet } from '../../discovery/mdns/packet.js';
import { allRecords, type InstanceRecords } from './instanceRecords.js';

export interface Answers {
  readonly answers: readonly MdnsRecord[];
  /** What the asker will want next: the service, text and addresses behind a pointer. */
  readonly additionals: readonly MdnsRecord[];
  /** True when others may answer the same question too, so that the answer must wait a little (RFC 6762, 6). */
  readonly shared: boolean;
}

/** The answers to a query; undefined when there is nothing to say, also because the asker knows it all (RFC 6762, 7.1). */
export function answersTo(query: Packet, records: InstanceRecords): Answers | undefined {
  const { pointer, service, text, addresses } = records;
  const matching = allRecords(records).filter((record) =>
    query.questions.some(
      ({ name, type }) => nameKey(name) === nameKey(record.name) && (type === 'ANY' || type === record.type),
    ),
  );
  const answers = withoutKnown(matching, query.answers);
  if (answers.length === 0) return undefined;
  const behind = new Set<MdnsRecord>();
  if (answers.includes(pointer)) for (const record of [service, text]) behind.add(record);
  if (answers.includes(pointer) || answers.includes(service)) for (const record of addresses) behind.add(record);
  // One address asked for: the other kind goes with it (RFC 6762, 6.2).
  if (answers.some(({ type }) => type === 'A' || type === 'AAAA')) for (const record of addresses) behind.add(record);
  for (const record of answers) behind.delete(record);
  return { answers, additionals: [...behind], shared: answers.some(({ type }) => type === 'PTR') };
}

/** Leaves out what the asker knows, with at least half the life left. */
export function withoutKnown(records: readonly MdnsRecord[], known: readonly MdnsRecord[]): readonly MdnsRecord[] {
  if (known.length === 0) return records;
  const lives = new Map(known.map((record) => [recordKey(record), record.ttl]));
  return records.filter((record) => (lives.get(recordKey(record)) ?? 0) < record.ttl / 2);
}
