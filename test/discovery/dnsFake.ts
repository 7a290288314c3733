/** A name server that answers as the script says, well or badly, over UDP and TCP on one port. */

import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { AUTHORITATIVE_ANSWER, decode, encode, TRUNCATED_RESPONSE, type Answer, type Packet } from 'dns-packet';

export interface FakeQuery {
  readonly name: string;
  readonly type: string;
  readonly via: 'udp' | 'tcp';
  readonly edns: boolean;
}

export interface FakeReply {
  readonly rcode?: 'NOERROR' | 'SERVFAIL' | 'NXDOMAIN' | 'REFUSED' | 'FORMERR';
  readonly answers?: readonly Answer[];
  readonly authorities?: readonly Answer[];
  readonly additionals?: readonly Answer[];
  readonly truncated?: boolean;
  readonly authoritative?: boolean;
  /** Added to the id of the query. */
  readonly idOff?: number;
  /** Echoed in the place of the question. */
  readonly question?: { readonly name: string; readonly type: 'SRV' | 'A' };
  /** Sent in the place of a message. */
  readonly bytes?: Buffer;
}

export interface FakeNameServer {
  readonly address: string;
  readonly queries: readonly FakeQuery[];
  close(): Promise<void>;
}

const rcodes = { NOERROR: 0, FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, REFUSED: 5 } as const;

/** `script` gives the replies to a query, all of which are sent; none is silence. */
export async function fakeNameServer(
  script: (query: FakeQuery, count: number) => readonly FakeReply[],
): Promise<FakeNameServer> {
  const queries: FakeQuery[] = [];
  const replies = (bytes: Buffer, via: FakeQuery['via']): Buffer[] => {
    const packet = decode(bytes) as Packet & { additionals: Answer[] };
    const { name, type } = packet.questions![0]!;
    const query = { name, type, via, edns: packet.additionals.some((each) => each.type === 'OPT') };
    queries.push(query);
    return script(query, queries.length).map((reply) => reply.bytes ?? messageOf(packet, reply));
  };
  const udp = createSocket('udp4');
  udp.on('message', (bytes, from) =>
    replies(bytes, 'udp').forEach((reply) => udp.send(reply, from.port, from.address)),
  );
  const tcp = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.on('data', (bytes) => {
      for (const reply of replies(bytes.subarray(2), 'tcp')) {
        const length = Buffer.alloc(2);
        length.writeUInt16BE(reply.length);
        // In pieces, as a network may deliver them.
        const whole = Buffer.concat([length, reply]);
        socket.write(whole.subarray(0, 1));
        setImmediate(() => socket.write(whole.subarray(1)));
      }
    });
  });
  await once(tcp.listen(0, '127.0.0.1'), 'listening');
  const { port } = tcp.address() as AddressInfo;
  await once(udp.bind(port, '127.0.0.1'), 'listening');
  return {
    address: `127.0.0.1:${port}`,
    queries,
    async close() {
      udp.close();
      await new Promise((done) => tcp.close(done));
    },
  };
}

function messageOf(query: Packet, reply: FakeReply): Buffer {
  const { rcode = 'NOERROR', answers = [], authorities = [], additionals = [], truncated, authoritative } = reply;
  const flags = (truncated ? TRUNCATED_RESPONSE : 0) | (authoritative ? AUTHORITATIVE_ANSWER : 0) | rcodes[rcode];
  return encode({
    type: 'response',
    id: ((query.id ?? 0) + (reply.idOff ?? 0)) & 0xffff,
    flags,
    questions: reply.question ? [reply.question] : query.questions!,
    answers: [...answers],
    authorities: [...authorities],
    additionals: [...additionals],
  });
}

export const records = {
  srv: (name: string, target: string, port: number, ttl = 60): Answer => ({
    ...{ type: 'SRV', name, ttl, class: 'IN', data: { target, port, priority: 0, weight: 1 } },
  }),
  a: (name: string, data: string, ttl = 60): Answer => ({ type: 'A', name, ttl, class: 'IN', data }),
  cname: (name: string, data: string): Answer => ({ type: 'CNAME', name, ttl: 60, class: 'IN', data }),
  soa: (name: string, minimum = 60): Answer => ({
    ...{ type: 'SOA', name, ttl: 60, class: 'IN' },
    data: { mname: 'ns.test', rname: 'root.test', serial: 1, refresh: 1, retry: 1, expire: 1, minimum },
  }),
};
