/**
 * Packets as bytes. multicast-dns reads packets for us, but cannot write an instance name with a dot in it, and hands
 * a packet to the socket a tick later, which is too late for the goodbye of a process that is about to exit.
 */

import { labelsOf } from './name.js';
import type { MdnsRecord, Packet, Question } from './packet.js';

/** A packet grows no further than this, in bytes, so that it fits an Ethernet frame; one large record may. */
const softLimit = 1_400;
/** No mDNS packet is larger (RFC 6762, 17). */
const hardLimit = 8_900;

const typeCodes = { A: 1, PTR: 12, TXT: 16, AAAA: 28, SRV: 33, ANY: 255 } as const;
const classIn = 1;
/** The QU bit of a question, the cache-flush bit of a record. */
const topBit = 0x8000;
const responseFlags = 0x8400;
const truncatedFlag = 0x0200;

/**
 * The packet, or several where it is too long for one: known answers go on in the next with the TC bit set on all but
 * the last (RFC 6762, 7.2), a response is simply several responses. A record over the hard limit is left out.
 */
export function encodePacket(packet: Packet): readonly Buffer[] {
  const buffers: Buffer[] = [];
  let writer = new Writer();
  const finish = (truncated: boolean): void => {
    const flags = packet.kind === 'response' ? responseFlags : truncated ? truncatedFlag : 0;
    buffers.push(writer.finish(packet.id, flags));
    writer = new Writer();
  };
  for (const question of packet.questions) {
    const mark = writer.mark();
    writer.question(question);
    if (writer.offset > softLimit && writer.counts[0]! > 1) {
      writer.rewind(mark);
      finish(false);
      writer.question(question);
    }
  }
  const sections = [packet.answers, packet.authorities, packet.additionals];
  for (const [index, records] of sections.entries()) {
    for (const record of records) {
      const mark = writer.mark();
      const fits = writer.record(record, index + 1);
      if (fits && writer.offset <= softLimit) continue;
      if (mark.offset === headerBytes) {
        if (!fits) writer.rewind(mark);
        continue;
      }
      writer.rewind(mark);
      // What is only additional is not worth a packet of its own.
      if (index === 2) break;
      finish(packet.kind === 'query');
      const start = writer.mark();
      if (!writer.record(record, index + 1)) writer.rewind(start);
    }
  }
  if (writer.offset > headerBytes || buffers.length === 0) finish(packet.truncated);
  return buffers;
}

/** The data of a record as it stands on the wire, uncompressed: what the tie-break of probes compares (RFC 6762, 8.2). */
export function encodeData(record: MdnsRecord): Buffer {
  const writer = new Writer(false);
  writer.data(record);
  return writer.bytes.subarray(headerBytes, writer.offset);
}

/** The code of a record type, which the tie-break compares before the data. */
export function typeCode(type: MdnsRecord['type']): number {
  return typeCodes[type];
}

const headerBytes = 12;

interface Mark {
  readonly offset: number;
  readonly names: ReadonlyMap<string, number>;
  readonly counts: readonly number[];
}

class Writer {
  readonly bytes = Buffer.alloc(hardLimit + 10_000);
  offset = headerBytes;
  counts = [0, 0, 0, 0];
  #names = new Map<string, number>();
  readonly #compress: boolean;

  constructor(compress = true) {
    this.#compress = compress;
  }

  mark(): Mark {
    return { offset: this.offset, names: new Map(this.#names), counts: [...this.counts] };
  }

  rewind({ offset, names, counts }: Mark): void {
    this.offset = offset;
    this.#names = new Map(names);
    this.counts = [...counts];
  }

  question({ name, type, unicast }: Question): void {
    this.counts[0]!++;
    this.#name(name);
    this.#u16(typeCodes[type]);
    this.#u16(unicast ? classIn | topBit : classIn);
  }

  /** False when it grew past what any packet may be. */
  record(record: MdnsRecord, section: number): boolean {
    if (record.type === 'TXT' && record.strings.reduce((sum, { length }) => sum + length + 1, 0) > hardLimit - 600) {
      return false;
    }
    this.counts[section]!++;
    this.#name(record.name);
    this.#u16(typeCodes[record.type]);
    this.#u16(record.flush ? classIn | topBit : classIn);
    this.offset = this.bytes.writeUInt32BE(record.ttl, this.offset);
    const lengthAt = this.offset;
    this.offset += 2;
    this.data(record);
    this.bytes.writeUInt16BE(this.offset - lengthAt - 2, lengthAt);
    return this.offset <= hardLimit;
  }

  data(record: MdnsRecord): void {
    switch (record.type) {
      case 'PTR':
        return this.#name(record.target);
      case 'SRV':
        this.#u16(record.priority);
        this.#u16(record.weight);
        this.#u16(record.port);
        return this.#name(record.target);
      case 'TXT':
        // An empty record is one empty string (RFC 6763, 6.1).
        for (const string of record.strings.length ? record.strings : [new Uint8Array()]) {
          this.bytes[this.offset++] = string.length;
          this.bytes.set(string, this.offset);
          this.offset += string.length;
        }
        return;
      case 'A':
        for (const part of record.address.split('.')) this.bytes[this.offset++] = Number(part);
        return;
      case 'AAAA':
        for (const group of groupsOf(record.address)) this.#u16(group);
    }
  }

  finish(id: number, flags: number): Buffer {
    [id, flags, ...this.counts].forEach((value, index) => this.bytes.writeUInt16BE(value, index * 2));
    return this.bytes.subarray(0, this.offset);
  }

  #u16(value: number): void {
    this.offset = this.bytes.writeUInt16BE(value, this.offset);
  }

  #name(name: string): void {
    const labels = labelsOf(name);
    for (let i = 0; i < labels.length; i++) {
      const rest = labels.slice(i).join('\0');
      const seen = this.#names.get(rest);
      if (seen !== undefined && this.#compress) return this.#u16(0xc000 | seen);
      if (this.offset < 0x4000) this.#names.set(rest, this.offset);
      const length = this.bytes.write(labels[i]!, this.offset + 1);
      this.bytes[this.offset] = length;
      this.offset += length + 1;
    }
    this.bytes[this.offset++] = 0;
  }
}

/** The eight groups of an IPv6 address, without its zone. */
function groupsOf(address: string): readonly number[] {
  const plain = address.replace(/%.*$/, '').replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, a, b, c, d) => {
    const hex = (high: string, low: string) => (Number(high) * 256 + Number(low)).toString(16);
    return `${hex(a, b)}:${hex(c, d)}`;
  });
  const [head = '', tail] = plain.split('::');
  const left = head ? head.split(':') : [];
  const right = tail ? tail.split(':') : [];
  const middle = tail === undefined ? [] : new Array<string>(8 - left.length - right.length).fill('0');
  return [...left, ...middle, ...right].map((group) => parseInt(group, 16));
}
