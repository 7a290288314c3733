/** A network that exists only on virtual time: packets are heard when a diagram says so, and what is sent is kept. */

import { decode } from 'dns-packet';
import { Observable, Subject, type SchedulerLike } from 'rxjs';
import type { NetworkInterfaceInfo } from 'node:os';
import { browse, type BrowseOptions } from '../../src/discovery/mdns/browse.js';
import type { Network } from '../../src/discovery/mdns/group.js';
import type { Interfaces } from '../../src/discovery/mdns/links.js';
import { packetOf, type MdnsRecord, type Packet, type Peer } from '../../src/discovery/mdns/packet.js';
import type { SocketHandlers } from '../../src/discovery/mdns/socket.js';

const lan: NetworkInterfaceInfo = {
  ...{ address: '192.168.1.2', netmask: '255.255.255.0', family: 'IPv4', mac: '00:00:00:00:00:01' },
  ...{ internal: false, cidr: '192.168.1.2/24' },
};

export interface FakeNetwork {
  readonly network: Network;
  /** A packet comes in over every socket that is open. */
  hear(packet: Packet, from?: Peer): void;
  /** What is sent, in words: `PTR _lumen._tcp.local`, with the known answers after `knowing`. */
  readonly sent$: Observable<string>;
  /** Plugs the interface in or out. */
  plug(on: boolean): void;
  /** Every socket fails as the system would have it. */
  fail(cause: Error): void;
  /** Sockets that are open now. */
  readonly open: number;
}

export function fakeNetwork(): FakeNetwork {
  const sent$ = new Subject<string>();
  const sockets = new Set<SocketHandlers>();
  let interfaces: Interfaces = { lan: [lan] };
  return {
    sent$,
    network: {
      ...{ interfaces: undefined, port: 5_353, pollMs: 2_000, readInterfaces: () => interfaces },
      open(_link, _port, handlers) {
        sockets.add(handlers);
        handlers.up();
        return {
          send: (bytes, to) => sent$.next(words(bytes) + (to ? ` to ${to.address}:${to.port}` : '')),
          close: () => void sockets.delete(handlers),
        };
      },
    },
    hear: (packet, from = { address: '192.168.1.9', port: 5_353 }) => {
      for (const handlers of sockets) handlers.packet(packet, from);
    },
    plug: (on) => void (interfaces = on ? { lan: [lan] } : {}),
    fail: (cause) => {
      for (const handlers of sockets) handlers.failed(cause);
    },
    get open() {
      return sockets.size;
    },
  };
}

function words(bytes: Buffer): string {
  const { type, questions = [], answers = [], authorities = [] } = decode(bytes);
  const list = (records: readonly { type: string; name: string; ttl?: number; data?: unknown }[]) =>
    records
      .map(({ type, name, ttl, data }) => {
        const what = type === 'PTR' ? ` ${String(data)}` : type === 'A' ? ` ${String(data)}` : '';
        return `${type} ${name}${what} ${ttl}`;
      })
      .join(', ');
  if (type === 'response') return `says ${list(answers as never)}`;
  const asked = questions.map(({ type, name }) => `${type} ${name}`).join(', ');
  const rest = authorities.length ? ` claiming ${list(authorities as never)}` : '';
  return asked + (answers.length ? ` knowing ${list(answers as never)}` : '') + rest;
}

export const type = '_lumen._tcp.local';

/** The records of one instance. */
export const records = {
  ptr: (id: string, ttl = 4_500): MdnsRecord => ({
    type: 'PTR',
    name: type,
    target: `${id}.${type}`,
    ttl,
    flush: false,
  }),
  srv: (id: string, host = 'host', ttl = 120, port = 5_001): MdnsRecord => ({
    ...{ type: 'SRV', name: `${id}.${type}`, target: `${host}.local`, port, priority: 0, weight: 0, ttl, flush: true },
  }),
  txt: (id: string, ...strings: string[]): MdnsRecord => ({
    ...{
      type: 'TXT',
      name: `${id}.${type}`,
      strings: strings.map((text) => Buffer.from(text)),
      ttl: 4_500,
      flush: true,
    },
  }),
  a: (address: string, host = 'host', ttl = 120): MdnsRecord => ({
    ...{ type: 'A', name: `${host}.local`, address, ttl, flush: true },
  }),
};

/** A response with these answers. */
export const says = (...answers: MdnsRecord[]): Packet => packetOf('response', { answers });

/** Everything of an instance in one response. */
export const whole = (id: string, ttl = 120): Packet =>
  says(
    records.ptr(id, ttl),
    records.srv(id, 'host', ttl),
    records.txt(id, 'v=1'),
    records.a('192.168.1.9', 'host', ttl),
  );

/** A search on this network, each emission in words: the ids, the addresses when asked, and whether it is stale. */
export function search(
  fake: FakeNetwork,
  scheduler: SchedulerLike,
  options: Partial<BrowseOptions> & { readonly addresses?: boolean } = {},
): Observable<string> {
  const set$ = browse({
    ...{ service: 'lumen', type, network: fake.network, scheduler, random: () => 0 },
    ...{ initialWindowMs: 1_500, initialQueryIntervalMs: 1_000, maxQueryIntervalMs: 3_600_000, reconfirmMs: 10_000 },
    ...{ maxRecords: 1_000, reconfirm$: undefined, onEvent: undefined },
    ...options,
  });
  return new Observable((subscriber) =>
    set$.subscribe({
      next: (set) => {
        const text = set.nodes
          .map(({ id, addresses }) => (options.addresses ? `${id}@${addresses.map((a) => a.host).join('+')}` : id))
          .join(' ');
        subscriber.next(`${text || 'nobody'}${set.stale ? ', stale' : ''}`);
      },
      error: (error) => subscriber.error(error),
    }),
  );
}
