/** The life of one announcement: probe, announce, answer, defend, withdraw (RFC 6762, 8 to 10). */

import { Observable, Subscription, take, timer, type SchedulerLike } from 'rxjs';
import { encodePacket } from '../../discovery/mdns/encode.js';
import { openGroup, type GroupEvent, type Network } from '../../discovery/mdns/group.js';
import type { Link } from '../../discovery/mdns/links.js';
import { nameKey } from '../../discovery/mdns/name.js';
import { packetOf, recordKey, type Packet, type Peer } from '../../discovery/mdns/packet.js';
import type { Advertisement, ServiceInstance } from './advertisement.js';
import { isConflict, tieBreak } from './conflict.js';
import { allRecords, hostName, instanceRecords, inventHost, requireInstance, type Claim } from './instanceRecords.js';
import { rename } from './rename.js';
import { createResponder } from './responder.js';

export interface AnnounceOptions {
  readonly network: Network;
  readonly domain: string;
  readonly hostTtlSeconds: number;
  readonly otherTtlSeconds: number;
  readonly probeIntervalMs: number;
  readonly announceIntervalMs: number;
  readonly onEvent: ((event: GroupEvent) => void) | undefined;
  readonly scheduler: SchedulerLike;
  readonly random: () => number;
}

const probes = 3;
const announcements = 2;
/** Who loses the tie-break of two probes waits this long (RFC 6762, 8.2). */
const deferMs = 1_000;
/** After so many conflicts somebody is at fault, and each further try waits (RFC 6762, 8.1). */
const patience = 15;
const impatientMs = 5_000;
/** Sockets are up within this time, in milliseconds, or there is something to say about it. */
const openingMs = 1_000;
/** What we said comes back to us within this time, in milliseconds, and is no conflict. */
const echoMs = 2_000;

/** See `advertise()` for what it promises. */
export function announce(instance$: Observable<ServiceInstance>, options: AnnounceOptions): Observable<Advertisement> {
  return new Observable((subscriber) => {
    const { network, domain, hostTtlSeconds, otherTtlSeconds, probeIntervalMs, scheduler, random } = options;
    const life = new Subscription();
    const invented = inventHost(domain, random);
    /** Keys of the records that we say or have just said. */
    const own = new Map<string, number>();
    let claim: Claim | undefined;
    let phase: 'waiting' | 'probing' | 'announced' = 'waiting';
    /** Has the claim been told to the network, so that it must be taken back? */
    let told = false;
    let conflicts = 0;
    let steps: Subscription | undefined;

    const emit = (state: Advertisement['state'], reason?: string): void => {
      if (!claim) return;
      const { name, host } = claim;
      subscriber.next({ state, name, host, ...(reason === undefined ? {} : { reason }) });
    };
    const event = (met: GroupEvent): void => {
      try {
        options.onEvent?.(met);
      } catch (error) {
        subscriber.error(error);
      }
    };
    const ownsHost = (): boolean => claim?.instance.host === undefined;
    const recordsOn = (link: Link) => instanceRecords(claim!, link);
    const run = (steps$: Observable<number>, step: (n: number) => void): void => {
      steps?.unsubscribe();
      steps = steps$.subscribe(step);
    };

    const startClaim = (waitMs = random() * probeIntervalMs): void => {
      responder.clear();
      if (!claim) return;
      if (group.links.length === 0) {
        phase = 'waiting';
        run(timer(openingMs, scheduler), () => emit('waiting', 'no interface is up'));
        return;
      }
      phase = 'probing';
      run(timer(waitMs, probeIntervalMs, scheduler).pipe(take(probes + 1)), (n) => (n < probes ? probe(n) : settle()));
    };
    const remember = (): void => {
      const now = scheduler.now();
      for (const [key, until] of own) if (until < now) own.delete(key);
      for (const link of group.links) {
        for (const record of allRecords(recordsOn(link))) own.set(recordKey(record), Infinity);
      }
    };
    /** What we have said so far is no longer ours, but its echo may still come. */
    const outdate = (): void => {
      for (const key of own.keys()) own.set(key, Math.min(own.get(key)!, scheduler.now() + echoMs));
    };

    const probe = (n: number): void => {
      remember();
      for (const link of group.links) {
        const { service, text, addresses } = recordsOn(link);
        const authorities = [service, text, ...(ownsHost() ? addresses : [])];
        const names = ownsHost() ? [service.name, service.target] : [service.name];
        // Only the first asks for a unicast answer: another socket on our port may get that.
        const questions = names.map((name) => ({ name, type: 'ANY' as const, unicast: n === 0 }));
        const plain = authorities.map((record) => ({ ...record, flush: false }));
        group.send(link, encodePacket(packetOf('query', { questions, authorities: plain })));
      }
    };
    const settle = (): void => {
      phase = 'announced';
      conflicts = 0;
      tellAll();
    };
    const tellAll = (): void => {
      run(timer(0, options.announceIntervalMs, scheduler).pipe(take(announcements)), (n) => {
        remember();
        told = true;
        for (const link of group.links) responder.multicast(link, allRecords(recordsOn(link)));
        if (n === 0) emit('announced');
      });
    };
    const withdraw = (): void => {
      if (!told || !claim) return;
      told = false;
      for (const link of group.links) {
        const { pointer, service, text, addresses } = recordsOn(link);
        const records = [pointer, service, text, ...(ownsHost() ? addresses : [])];
        const answers = records.map((record) => ({ ...record, ttl: 0 }));
        group.send(link, encodePacket(packetOf('response', { answers })));
      }
    };

    const adopt = (instance: ServiceInstance): void => {
      try {
        requireInstance(instance, domain);
      } catch (error) {
        subscriber.error(error);
        return;
      }
      const before = claim;
      const sameName =
        before &&
        before.instance.name === instance.name &&
        nameKey(before.instance.service) === nameKey(instance.service);
      if (!sameName) withdraw();
      outdate();
      claim = {
        ...{ instance, domain, hostTtlSeconds, otherTtlSeconds },
        name: sameName ? before.name : instance.name,
        host: instance.host === undefined ? invented : hostName(instance.host, domain),
      };
      if (sameName && phase === 'announced') {
        tellAll();
      } else if (!sameName || phase === 'waiting') {
        conflicts = 0;
        if (group.links.length > 0) emit('probing');
        startClaim();
      }
    };

    const hearResponse = (packet: Packet, link: Link): void => {
      const now = scheduler.now();
      const mine = new Set([...own].filter(([, until]) => until >= now).map(([key]) => key));
      const { service } = recordsOn(link);
      if (!isConflict(packet, service.name, mine)) return;
      if (phase === 'announced') {
        // Whoever it is must hear that the name is ours; if it is theirs, they say so while we probe (RFC 6762, 9).
        emit('probing', `somebody else announces "${claim!.name}" too`);
        startClaim();
        return;
      }
      const taken = claim!.name;
      outdate();
      claim = { ...claim!, name: rename(taken) };
      told = false;
      emit('renamed', `the name "${taken}" is taken`);
      startClaim(++conflicts > patience ? impatientMs : undefined);
    };
    const hearQuery = (packet: Packet, link: Link, from: Peer): void => {
      const records = recordsOn(link);
      if (phase === 'announced') {
        responder.query(packet, link, from, records);
        return;
      }
      const key = nameKey(records.service.name);
      const rival = packet.authorities.filter((record) => nameKey(record.name) === key);
      if (rival.length === 0 || rival.every((record) => own.has(recordKey(record)))) return;
      if (tieBreak([records.service, records.text], rival) < 0) startClaim(deferMs);
    };

    const group = openGroup(
      network,
      {
        up(link) {
          if (!claim) return;
          if (phase === 'waiting') {
            emit('probing');
            startClaim();
          } else if (phase === 'announced') {
            remember();
            life.add(
              timer(0, options.announceIntervalMs, scheduler)
                .pipe(take(announcements))
                .subscribe(() => phase === 'announced' && responder.multicast(link, allRecords(recordsOn(link)))),
            );
          }
        },
        down(_link, left, reason) {
          if (left > 0 || !claim) return;
          steps?.unsubscribe();
          responder.clear();
          phase = 'waiting';
          emit('waiting', reason);
        },
        packet(packet, link, from) {
          if (!claim || phase === 'waiting') return;
          if (packet.kind === 'response') hearResponse(packet, link);
          else hearQuery(packet, link, from);
        },
        event,
      },
      scheduler,
      random,
    );
    const responder = createResponder({ group, port: network.port, scheduler, random });

    life.add(instance$.subscribe({ next: adopt, error: (error) => subscriber.error(error) }));
    return () => {
      life.unsubscribe();
      steps?.unsubscribe();
      responder.clear();
      withdraw();
      group.close();
    };
  });
}
