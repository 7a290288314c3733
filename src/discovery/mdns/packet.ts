/** What an mDNS packet says: questions and the five kinds of record that service discovery needs. */

import { nameKey } from './name.js';

export type RecordType = 'PTR' | 'SRV' | 'TXT' | 'A' | 'AAAA';

interface RecordHead {
  readonly name: string;
  /** Seconds. */
  readonly ttl: number;
  /** The cache-flush bit: this replaces every older record of the same name and type (RFC 6762, 10.2). */
  readonly flush: boolean;
}

export interface PtrRecord extends RecordHead {
  readonly type: 'PTR';
  readonly target: string;
}

export interface SrvRecord extends RecordHead {
  readonly type: 'SRV';
  readonly target: string;
  readonly port: number;
  readonly priority: number;
  readonly weight: number;
}

export interface TxtRecord extends RecordHead {
  readonly type: 'TXT';
  readonly strings: readonly Uint8Array[];
}

export interface AddressRecord extends RecordHead {
  readonly type: 'A' | 'AAAA';
  readonly address: string;
}

export type MdnsRecord = PtrRecord | SrvRecord | TxtRecord | AddressRecord;

export interface Question {
  readonly name: string;
  readonly type: RecordType | 'ANY';
  /** The QU bit: a unicast answer is welcome (RFC 6762, 5.4). */
  readonly unicast?: boolean;
}

export interface Packet {
  readonly kind: 'query' | 'response';
  readonly id: number;
  /** More known answers follow in another packet (RFC 6762, 7.2). */
  readonly truncated: boolean;
  readonly questions: readonly Question[];
  readonly answers: readonly MdnsRecord[];
  readonly authorities: readonly MdnsRecord[];
  readonly additionals: readonly MdnsRecord[];
}

/** Where a packet came from, or goes to. */
export interface Peer {
  readonly address: string;
  readonly port: number;
}

/** A packet with what is not given left empty. */
export function packetOf(kind: Packet['kind'], parts: Partial<Packet>): Packet {
  return { kind, id: 0, truncated: false, questions: [], answers: [], authorities: [], additionals: [], ...parts };
}

/** What two records with the same content have in common: name, type and data, but not the time to live. */
export function recordKey(record: MdnsRecord): string {
  return `${record.type} ${nameKey(record.name)} ${dataKey(record)}`;
}

function dataKey(record: MdnsRecord): string {
  switch (record.type) {
    case 'PTR':
      return nameKey(record.target);
    case 'SRV':
      return `${record.priority} ${record.weight} ${record.port} ${nameKey(record.target)}`;
    case 'TXT':
      return record.strings.map((bytes) => Buffer.from(bytes).toString('hex')).join(' ');
    default:
      return record.address.toLowerCase();
  }
}
