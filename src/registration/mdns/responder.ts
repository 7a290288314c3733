/** Answers the questions of the network about one instance, at the pace that RFC 6762 asks for. */

import { Subscription, timer, type SchedulerLike } from 'rxjs';
import { encodePacket } from '../../discovery/mdns/encode.js';
import type { Group } from '../../discovery/mdns/group.js';
import type { Link } from '../../discovery/mdns/links.js';
import { packetOf, recordKey, type MdnsRecord, type Packet, type Peer } from '../../discovery/mdns/packet.js';
import { startDelay } from '../../discovery/mdns/querySchedule.js';
import { answersTo, withoutKnown } from './answersTo.js';
import type { InstanceRecords } from './instanceRecords.js';

export interface ResponderOptions {
  readonly group: Pick<Group, 'send'>;
  /** The mDNS port: who asks from another is a simple resolver that wants a unicast answer (RFC 6762, 6.7). */
  readonly port: number;
  readonly scheduler: SchedulerLike;
  readonly random: () => number;
}

export interface Responder {
  /** A query came in; `records` is what we have to say on that link. */
  query(query: Packet, link: Link, from: Peer, records: InstanceRecords): void;
  /** Tells the whole link, now. */
  multicast(link: Link, answers: readonly MdnsRecord[], additionals?: readonly MdnsRecord[]): void;
  /** Forgets the answers that were waiting. */
  clear(): void;
}

interface Pending {
  answers: readonly MdnsRecord[];
  readonly additionals: readonly MdnsRecord[];
  readonly link: Link;
  readonly from: Peer;
  readonly askedAt: number;
}

/** No record is multicast twice within this time (RFC 6762, 6). */
const paceMs = 1_000;
/** When each record was last multicast is remembered for so many of them. */
const maxRemembered = 1_000;
/** Longest life told to a simple resolver, in seconds (RFC 6762, 6.7). */
const legacyTtl = 10;

export function createResponder({ group, port, scheduler, random }: ResponderOptions): Responder {
  const lastSent = new Map<string, number>();
  const pending = new Set<Pending>();
  let timers = new Subscription();

  const sentAt = (link: Link, record: MdnsRecord): number =>
    lastSent.get(`${link.key} ${recordKey(record)}`) ?? -Infinity;

  const multicast: Responder['multicast'] = (link, answers, additionals = []) => {
    const now = scheduler.now();
    if (lastSent.size > maxRemembered) lastSent.clear();
    for (const record of answers) lastSent.set(`${link.key} ${recordKey(record)}`, now);
    group.send(link, encodePacket(packetOf('response', { answers, additionals })));
  };

  const later = (item: Pending, waitMs: number): void => {
    pending.add(item);
    timers.add(timer(waitMs, scheduler).subscribe(() => flush(item)));
  };
  const flush = (item: Pending): void => {
    pending.delete(item);
    const { link, additionals, askedAt } = item;
    // What was multicast since the question has answered it.
    const open = item.answers.filter((record) => sentAt(link, record) < askedAt);
    const now = scheduler.now();
    const ready = open.filter((record) => sentAt(link, record) <= now - paceMs);
    if (ready.length > 0) multicast(link, ready, additionals);
    const tooSoon = open.filter((record) => !ready.includes(record));
    if (tooSoon.length === 0) return;
    const last = Math.max(...tooSoon.map((record) => sentAt(link, record)));
    later({ ...item, answers: tooSoon }, last + paceMs - now);
  };

  return {
    multicast,
    query(query, link, from, records) {
      // More known answers of a question that was too long for one packet (RFC 6762, 7.2).
      if (query.questions.length === 0) {
        for (const item of pending) {
          if (item.from.address === from.address && item.link.key === link.key) {
            item.answers = withoutKnown(item.answers, query.answers);
          }
        }
        return;
      }
      const found = answersTo(query, records);
      if (!found) return;
      const { answers, additionals, shared } = found;
      if (from.port !== port) {
        const plain = (list: readonly MdnsRecord[]) =>
          list.map((record) => ({ ...record, ttl: Math.min(record.ttl, legacyTtl), flush: false }));
        const { id, questions } = query;
        const parts = { id, questions, answers: plain(answers), additionals: plain(additionals) };
        group.send(link, encodePacket(packetOf('response', parts)), from);
        return;
      }
      if (query.authorities.length > 0) {
        // A probe for our name: it must hear of us before it believes that the name is free.
        multicast(link, answers, additionals);
        return;
      }
      const now = scheduler.now();
      let open = answers;
      // On our own machine several sockets share the port, and a unicast answer reaches only one of them.
      if (
        query.questions.every(({ unicast }) => unicast) &&
        !link.addresses.includes(from.address.replace(/%.*$/, ''))
      ) {
        group.send(link, encodePacket(packetOf('response', { answers, additionals })), from);
        // The others hear it too, unless they have of late (RFC 6762, 5.4).
        open = answers.filter((record) => sentAt(link, record) < now - record.ttl * 250);
        if (open.length === 0) return;
      }
      const waitMs = query.truncated ? 400 + 100 * random() : shared ? startDelay(random) : 0;
      later({ answers: open, additionals, link, from, askedAt: now }, waitMs);
    },
    clear() {
      timers.unsubscribe();
      timers = new Subscription();
      pending.clear();
    },
  };
}
