/** A search for the instances of one service type, from the first question to the last socket closed. */

import {
  EMPTY,
  exhaustMap,
  Observable,
  Subject,
  Subscription,
  switchMap,
  take,
  takeWhile,
  tap,
  timer,
  type SchedulerLike,
} from 'rxjs';
import { NodeSet } from '../../core/nodeSet.js';
import type { DiscoveryEvent } from '../discovery.js';
import { createAdmission } from './admission.js';
import { encodePacket } from './encode.js';
import { FollowUps } from './followUps.js';
import { openGroup, type Network } from './group.js';
import type { Place } from './instance.js';
import { InstanceIndex } from './instanceIndex.js';
import type { Link } from './links.js';
import { clip, nameKey } from './name.js';
import { packetOf, type Packet, type Question } from './packet.js';
import { querySchedule, startDelay } from './querySchedule.js';
import { RecordCache } from './recordCache.js';

export interface BrowseOptions {
  /** What `Node.service` says. */
  readonly service: string;
  /** Such as `_lumen._tcp.local`. */
  readonly type: string;
  readonly network: Network;
  readonly initialWindowMs: number;
  readonly initialQueryIntervalMs: number;
  readonly maxQueryIntervalMs: number;
  readonly reconfirmMs: number;
  readonly maxRecords: number;
  readonly reconfirm$: Observable<string> | undefined;
  readonly onEvent: ((event: DiscoveryEvent) => void) | undefined;
  readonly scheduler: SchedulerLike;
  readonly random: () => number;
}

/** Longest sleep of a timer, in milliseconds; the runtime's own limit is higher. */
const maxSleepMs = 3_600_000;
/** What each record has, at least, to be confirmed after a time without any interface, in milliseconds. */
const returnGraceMs = 10_000;

/** See `mdns()` for what it promises. */
export function browse(options: BrowseOptions): Observable<NodeSet> {
  return new Observable((subscriber) => {
    const { service, type, network, scheduler, random, reconfirmMs, maxRecords } = options;
    const cache = new RecordCache(maxRecords, random);
    const followUps = new FollowUps(random);
    const places = new Map<string, Place>();
    const place = (link: string): Place => places.get(link) ?? { networks: [], loopback: false };
    const instances = new InstanceIndex({ service, type, cache, followUps, place });
    /** Until when the question about a node is open, by its id. */
    const doubted = new Map<string, number>();
    const restart$ = new Subject<boolean>();
    const life = new Subscription();
    let set = NodeSet.empty;
    let emitted = false;
    let alarm: Subscription | undefined;
    let alarmAt = Infinity;
    /** Without any interface nothing runs out. */
    let cutOff = true;

    const tell = (kind: DiscoveryEvent['type'], message: string, cause?: unknown): void => {
      try {
        options.onEvent?.({ source: 'mdns', type: kind, message, ...(cause === undefined ? {} : { cause }) });
      } catch (error) {
        subscriber.error(error);
      }
    };
    const emit = (next: NodeSet): void => {
      set = next;
      emitted = true;
      subscriber.next(set);
    };
    /** The hosts that the packet at hand names. */
    let named: ReadonlySet<string> = new Set();
    const admits = createAdmission({
      type,
      skipped: (message) => tell('skipped', message),
      // Addresses may come before the SRV record that names their host, but must not crowd the others out.
      hostWanted: (host) => cache.size < maxRecords / 2 || instances.hasHost(host) || named.has(nameKey(host)),
    });

    const ask = (questions: readonly Question[]): void => {
      if (questions.length === 0) return;
      const now = scheduler.now();
      for (const link of group.links) {
        const answers = questions
          .filter((question) => question.type === 'PTR')
          .flatMap(({ name }) => cache.knownAnswers(name, 'PTR', link.name, now));
        group.send(link, encodePacket(packetOf('query', { questions, answers })));
      }
    };

    const hear = (packet: Packet, link: Link): void => {
      if (packet.kind !== 'response') return;
      const now = scheduler.now();
      const { answers, additionals } = packet;
      const records = [...answers, ...additionals];
      named = new Set(records.flatMap((record) => (record.type === 'SRV' ? nameKey(record.target) : [])));
      for (const [index, record] of records.entries()) {
        if (!admits(record)) continue;
        const heard = cache.add(record, link.name, now, index >= answers.length);
        if (heard === 'full')
          tell('skipped', `${maxRecords} records are known; "${clip(record.name)}" is one too many`);
        if (heard === 'new' || heard === 'dying') instances.touch(record);
        if (record.type === 'PTR' && record.ttl > 0) followUps.again(nameKey(record.target), now);
      }
      settle();
    };

    /** Brings the instances that something was heard of up to date, and emits the set if it is another now. */
    const settle = (): void => {
      const { changed, gone } = instances.settle(scheduler.now());
      for (const id of gone) doubted.delete(id);
      const next = set.with(...changed).without(...gone);
      if (next !== set) emit(next);
      arm();
    };

    const wake = (): void => {
      const now = scheduler.now();
      const { expired, ask: refresh } = cache.due(now, (record) => instances.concerns(record));
      for (const { record } of expired) instances.touch(record);
      const { ask: missing, gaveUp } = followUps.due(now);
      ask([...refresh, ...missing]);
      for (const { subject, question } of gaveUp) {
        tell('skipped', `instance "${clip(subject)}": nobody answers for ${question.type} ${clip(question.name)}`);
      }
      settle();
    };
    const arm = (): void => {
      const at = cutOff || subscriber.closed ? Infinity : Math.min(cache.nextAt, followUps.nextAt, instances.nextAt);
      if (at === alarmAt) return;
      alarm?.unsubscribe();
      alarmAt = at;
      if (at === Infinity) return;
      const sleep = Math.min(Math.max(at - scheduler.now(), 0), maxSleepMs);
      alarm = timer(Math.ceil(sleep), scheduler).subscribe(() => {
        alarmAt = Infinity;
        wake();
      });
    };

    /** RFC 6762, 10.4: asks twice, and drops what nobody answers for. */
    const reconfirm = (id: string): void => {
      const now = scheduler.now();
      const evidence = instances.evidence(id);
      if (!evidence || cutOff || (doubted.get(id) ?? 0) > now) return;
      doubted.set(id, now + reconfirmMs);
      cache.doubt(evidence.records, now + reconfirmMs);
      const twice$ = timer(startDelay(random), reconfirmMs / 4, scheduler).pipe(take(2));
      life.add(twice$.subscribe(() => ask(evidence.questions)));
      arm();
    };

    /** Silence means "nobody" only when it has lasted, and nothing that was heard is still being asked about. */
    const sayIfNobody$ = timer(options.initialWindowMs, options.initialWindowMs, scheduler).pipe(
      takeWhile(() => !emitted),
      tap(() => !cutOff && followUps.nextAt === Infinity && instances.nextAt === Infinity && emit(set)),
    );
    const asking$ = querySchedule({ ...intervals(options), scheduler, random }).pipe(
      tap(() => ask([{ name: type, type: 'PTR' }])),
      exhaustMap(() => (emitted ? EMPTY : sayIfNobody$)),
    );
    life.add(restart$.pipe(switchMap((on) => (on ? asking$ : EMPTY))).subscribe());

    const group = openGroup(
      network,
      {
        up(link) {
          cache.setLink(link.name, true);
          places.set(link.name, { networks: link.networks, loopback: link.loopback });
          if (cutOff) {
            cutOff = false;
            cache.revive(scheduler.now(), scheduler.now() + returnGraceMs);
            if (set.stale) emit(set.withStale(undefined));
          }
          restart$.next(true);
          arm();
        },
        down(link, left, reason) {
          if (!group.links.some(({ name }) => name === link.name)) cache.setLink(link.name, false);
          if (left > 0) return;
          cutOff = true;
          restart$.next(false);
          if (emitted) emit(set.withStale({ since: scheduler.now(), reason }));
          arm();
        },
        packet: hear,
        event: ({ type: kind, message, cause }) => tell(kind, message, cause),
      },
      scheduler,
      random,
    );
    life.add(() => group.close());
    life.add(() => alarm?.unsubscribe());
    life.add(options.reconfirm$?.subscribe({ next: reconfirm, error: (error) => subscriber.error(error) }));
    return life;
  });
}

function intervals({ initialQueryIntervalMs, maxQueryIntervalMs }: BrowseOptions) {
  return { initialIntervalMs: initialQueryIntervalMs, maxIntervalMs: maxQueryIntervalMs };
}
