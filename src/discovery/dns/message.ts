/** Messages of DNS as bytes (RFC 1035): the only file of this folder that knows dns-packet. */

import { decode, encode, RECURSION_DESIRED, type Answer, type Packet } from 'dns-packet';
import type { DnsRecord, Message, Question } from './record.js';

/** How big a datagram may be that fits any path without being cut to pieces (the DNS flag day of 2020). */
const datagramBytes = 1_232;

/** A query; with `edns` it says that an answer may be longer than 512 bytes (RFC 6891). */
export function encodeQuery(id: number, { name, type }: Question, edns: boolean): Buffer {
  const opt = {
    type: 'OPT',
    name: '.',
    udpPayloadSize: datagramBytes,
    extendedRcode: 0,
    ednsVersion: 0,
    flags: 0,
    options: [],
  };
  return encode({
    type: 'query',
    id,
    flags: RECURSION_DESIRED,
    questions: [{ name, type, class: 'IN' }],
    additionals: edns ? [opt as unknown as Answer] : [],
  });
}

/** Throws for what is no message. */
export function decodeMessage(bytes: Buffer): Message {
  const packet = decode(bytes) as Packet & { rcode?: string; flag_tc?: boolean; flag_aa?: boolean };
  const { questions = [], answers = [], authorities = [], additionals = [] } = packet;
  return {
    id: packet.id ?? 0,
    isResponse: packet.type === 'response',
    truncated: packet.flag_tc ?? false,
    authoritative: packet.flag_aa ?? false,
    rcode: packet.rcode ?? '',
    question: questions.length === 1 && (questions[0]!.class ?? 'IN') === 'IN' ? questions[0] : undefined,
    answers: answers.flatMap(recordOf),
    authorities: authorities.flatMap(recordOf),
    additionals: additionals.flatMap(recordOf),
  };
}

function recordOf(answer: Answer): DnsRecord | [] {
  if (answer.type === 'OPT' || !('class' in answer) || answer.class !== 'IN') return [];
  const ttl = answer.ttl ?? 0;
  // A life past 2^31 - 1 counts as none (RFC 2181, 8).
  const head = { name: answer.name, ttl: ttl > 0x7fff_ffff ? 0 : ttl };
  switch (answer.type) {
    case 'SRV': {
      const { target, port, priority = 0, weight = 0 } = answer.data;
      return { ...head, type: 'SRV', target, port, priority, weight };
    }
    case 'A':
    case 'AAAA':
      return { ...head, type: answer.type, address: answer.data };
    case 'CNAME':
      return { ...head, type: 'CNAME', target: answer.data };
    case 'TXT':
      return { ...head, type: 'TXT', strings: [answer.data].flat().map((data) => Buffer.from(data).toString()) };
    case 'SOA':
      return { ...head, type: 'SOA', minimum: answer.data.minimum ?? 0 };
    default:
      return [];
  }
}
