/** The sockets of one discovery or announcement, over interfaces that come and go. */

import { timer, type SchedulerLike } from 'rxjs';
import { exponentialBackoff } from '../../core/backoff.js';
import { linksOf, type Interfaces, type Link } from './links.js';
import type { Packet, Peer } from './packet.js';
import type { MulticastSocket, OpenSocket } from './socket.js';

/** Which network to use, and the ports to it. */
export interface Network {
  /** Names or addresses; undefined for all. */
  readonly interfaces: readonly string[] | undefined;
  readonly port: number;
  readonly pollMs: number;
  readonly readInterfaces: () => Interfaces;
  readonly open: OpenSocket;
}

/** Something that the group met and survived. */
export interface GroupEvent {
  readonly type: 'skipped' | 'disconnected' | 'connected';
  readonly message: string;
  readonly cause?: unknown;
}

export interface GroupHandlers {
  /** A link can be used. */
  up(link: Link): void;
  /** A link is gone; `left` counts those that are still up. */
  down(link: Link, left: number, reason: string): void;
  packet(packet: Packet, link: Link, from: Peer): void;
  event(event: GroupEvent): void;
}

export interface Group {
  /** The links that are up. */
  readonly links: readonly Link[];
  send(link: Link, packets: readonly Buffer[], to?: Peer): void;
  close(): void;
}

interface Member {
  readonly link: Link;
  socket: MulticastSocket | undefined;
  up: boolean;
  failures: number;
  retryAt: number;
}

/** A socket that fails is opened again after 1 s, doubling to 30 s, ± 20 %. */
const backoff = exponentialBackoff({ initialBackoffMs: 1_000, maxBackoffMs: 30_000 });

/** Opens a socket on each link now, and looks for links that came or went every `pollMs`. */
export function openGroup(
  network: Network,
  handlers: GroupHandlers,
  scheduler: SchedulerLike,
  random: () => number,
): Group {
  const members = new Map<string, Member>();
  let closed = false;
  let alone = false;
  let hadNetwork = false;

  const upCount = (): number => [...members.values()].filter(({ up }) => up).length;

  const shut = (member: Member, reason: string, cause?: unknown): void => {
    member.socket?.close();
    member.socket = undefined;
    const wasUp = member.up;
    member.up = false;
    if (wasUp || cause) {
      handlers.event({ type: 'disconnected', message: `${describe(member.link)}: ${reason}`, cause });
    }
    if (wasUp && !closed) handlers.down(member.link, upCount(), reason);
  };

  const open = (member: Member): void => {
    const { link } = member;
    const fail = (cause: Error): void => {
      if (closed || member.socket !== socket) return;
      member.retryAt = scheduler.now() + backoff(++member.failures, random);
      shut(member, cause.message, cause);
    };
    let socket: MulticastSocket;
    try {
      socket = network.open(link, network.port, {
        up() {
          if (closed || member.socket !== socket) return;
          member.up = true;
          handlers.event({ type: 'connected', message: describe(link) });
          handlers.up(link);
        },
        packet(packet, from) {
          if (closed || member.socket !== socket || !member.up) return;
          member.failures = 0;
          handlers.packet(packet, link, from);
        },
        skipped(cause) {
          if (closed) return;
          handlers.event({ type: 'skipped', message: `${describe(link)}: ${cause.message}`, cause });
        },
        failed: fail,
      });
      member.socket = socket;
    } catch (error) {
      const cause = error instanceof Error ? error : new Error(String(error));
      member.retryAt = scheduler.now() + backoff(++member.failures, random);
      shut(member, cause.message, cause);
    }
  };

  const look = (): void => {
    const found = linksOf(network.readInterfaces(), network.interfaces);
    hadNetwork ||= found.some(({ loopback }) => !loopback);
    // Who had a network and lost it is cut off: loopback does not make up for it, unless it was asked for.
    const usable = hadNetwork && !network.interfaces ? found.filter(({ loopback }) => !loopback) : found;
    const wanted = new Map(usable.map((link) => [link.key, link]));
    for (const [key, member] of members) {
      if (wanted.has(key)) continue;
      members.delete(key);
      shut(member, 'the interface is gone or has changed');
    }
    for (const [key, link] of wanted) {
      const member = members.get(key) ?? { link, socket: undefined, up: false, failures: 0, retryAt: 0 };
      members.set(key, member);
      if (!member.socket && member.retryAt <= scheduler.now()) open(member);
    }
    if (wanted.size === 0 && !alone) {
      const which = network.interfaces
        ? `none of the interfaces ${network.interfaces.join(', ')} is`
        : 'no interface is';
      handlers.event({ type: 'disconnected', message: `${which} up` });
    }
    alone = wanted.size === 0;
  };

  look();
  const poll = timer(network.pollMs, network.pollMs, scheduler).subscribe(look);

  return {
    get links() {
      return [...members.values()].filter(({ up }) => up).map(({ link }) => link);
    },
    send(link, packets, to) {
      const socket = members.get(link.key)?.socket;
      for (const packet of packets) socket?.send(packet, to);
    },
    close() {
      closed = true;
      poll.unsubscribe();
      for (const member of members.values()) member.socket?.close();
      members.clear();
    },
  };
}

function describe({ name, family, address }: Link): string {
  return family === 'IPv4' ? `${name} (${address})` : `${name} (IPv6)`;
}
