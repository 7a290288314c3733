/** One multicast socket on one link: the only file that knows multicast-dns. */

import { createSocket } from 'node:dgram';
import type { Answer, Packet as DnsPacket } from 'dns-packet';
import createMdns from 'multicast-dns';
import { cameOver, networkInterfaces, type Link } from './links.js';
import { fromJoined } from './name.js';
import { packetOf, type MdnsRecord, type Packet, type Peer, type Question } from './packet.js';

export interface SocketHandlers {
  /** Bound, and member of the group. */
  up(): void;
  packet(packet: Packet, from: Peer): void;
  /** A packet that cannot be read, or one that could not be sent to a single peer or for its size. */
  skipped(cause: Error): void;
  /** The socket is of no more use: close it. Never synchronous. */
  failed(cause: Error): void;
}

export interface MulticastSocket {
  /** Sends at once, so that even a process that exits next has sent it; to the whole group unless a peer is given. */
  send(bytes: Buffer, to?: Peer): void;
  /** Closes when what was sent is out. */
  close(): void;
}

export type OpenSocket = (link: Link, port: number, handlers: SocketHandlers) => MulticastSocket;

const groups = { IPv4: '224.0.0.251', IPv6: 'ff02::fb' } as const;

/** Sending these again later may work on the same socket. */
const passing = new Set(['EMSGSIZE', 'ENOBUFS', 'EAGAIN']);

/** Joins the group on this link. It shares the port with every other responder of the machine. */
export const openSocket: OpenSocket = (link, port, handlers) => {
  let bound = false;
  let closing = false;
  let unsent = 0;
  const family = link.family === 'IPv4' ? 4 : 6;
  const socket = createSocket({
    type: `udp${family}`,
    reuseAddr: true,
    ipv6Only: family === 6,
    // Every address here is a literal. Answering at once makes send() synchronous; while binding, multicast-dns is
    // not complete yet and needs the tick.
    lookup: (host, _options, callback) => {
      if (bound) callback(null, host, family);
      else process.nextTick(callback, null, host, family);
    },
  });
  const peer = createMdns({
    socket,
    type: `udp${family}`,
    port,
    ip: groups[link.family],
    interface: link.address,
    // Bound to the address of an interface it would hear no multicast.
    bind: family === 4 ? '0.0.0.0' : '::',
  });

  // Not at once: multicast-dns is in the middle of setting the socket up, and must not find it closed.
  const fail = (cause: Error): void => process.nextTick(() => closing || handlers.failed(cause));
  peer.on('ready', () => {
    bound = true;
    if (!closing) handlers.up();
  });
  peer.on('error', fail);
  peer.on('warning', (cause: Error) => {
    if (closing) return;
    if ('syscall' in cause) fail(cause);
    else handlers.skipped(cause);
  });
  peer.on('packet', (packet: DnsPacket, from: Peer) => {
    if (closing || !cameOver(link, from.address, networkInterfaces)) return;
    const read = fromDnsPacket(packet);
    if (read) handlers.packet(read, from);
  });
  const closeIfSent = (): void => {
    if (closing && unsent === 0) peer.destroy();
  };

  return {
    send(bytes, to) {
      // A peer on port 0 cannot be answered.
      if (!bound || closing || to?.port === 0) return;
      unsent++;
      socket.send(bytes, to?.port ?? port, to?.address ?? groups[link.family], (cause) => {
        unsent--;
        closeIfSent();
        if (!cause || closing) return;
        if (to || passing.has((cause as NodeJS.ErrnoException).code ?? '')) handlers.skipped(cause);
        else handlers.failed(cause);
      });
    },
    close() {
      if (closing) return;
      closing = true;
      closeIfSent();
    },
  };
};

/** Undefined for what is no plain query or response (RFC 6762, 18.3 and 18.11). */
function fromDnsPacket(packet: DnsPacket & { rcode?: string; opcode?: string; flag_tc?: boolean }): Packet | undefined {
  if (packet.opcode !== 'QUERY' || packet.rcode !== 'NOERROR') return undefined;
  return packetOf(packet.type === 'response' ? 'response' : 'query', {
    id: packet.id ?? 0,
    truncated: packet.flag_tc ?? false,
    questions: (packet.questions ?? []).flatMap(questionOf),
    answers: (packet.answers ?? []).flatMap(recordOf),
    authorities: (packet.authorities ?? []).flatMap(recordOf),
    additionals: (packet.additionals ?? []).flatMap(recordOf),
  });
}

function questionOf({ name, type, class: given }: { name: string; type: string; class?: string }): Question | [] {
  if (!/^(PTR|SRV|TXT|A|AAAA|ANY)$/.test(type)) return [];
  // The QU bit is part of the class to dns-packet, which then knows no name for it.
  const code = /^UNKNOWN_(\d+)$/.exec(given ?? '')?.[1];
  const plain = code === undefined ? given : ['', 'IN'][Number(code) & 0x7fff];
  if (plain !== 'IN' && plain !== 'ANY' && Number(code) !== 0x80ff) return [];
  return { name: fromJoined(name), type: type as Question['type'], unicast: code !== undefined };
}

function recordOf(answer: Answer): MdnsRecord | [] {
  if (answer.type === 'OPT' || !('class' in answer) || answer.class !== 'IN') return [];
  const head = { name: fromJoined(answer.name), ttl: answer.ttl ?? 0, flush: answer.flush ?? false };
  switch (answer.type) {
    case 'PTR':
      return { ...head, type: 'PTR', target: fromJoined(answer.data) };
    case 'SRV': {
      const { target, port, priority = 0, weight = 0 } = answer.data;
      return { ...head, type: 'SRV', target: fromJoined(target), port, priority, weight };
    }
    case 'TXT':
      return { ...head, type: 'TXT', strings: [answer.data].flat().map((data) => Buffer.from(data)) };
    case 'A':
    case 'AAAA':
      return { ...head, type: answer.type, address: answer.data };
    default:
      return [];
  }
}
