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
import { createNode, updateNode, type Node } from '../../core/node.js';
import { NodeSet } from '../../core/nodeSet.js';
import type { DiscoveryEvent } from '../discovery.js';
import { encodePacket } from './encode.js';
import { FollowUps } from './followUps.js';
import { openGroup, type Network } from './group.js';
import { readInstance, type Place } from './instance.js';
import type { Link } from './links.js';
import { instanceName, instanceOf, isName, nameKey } from './name.js';
import { packetOf, type MdnsRecord, type Packet, type Question } from './packet.js';
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

/** An instance that a PTR record names. */
interface Instance {
  readonly id: string;
  readonly name: string;
  hosts: readonly string[];
  node: Node | undefined;
  /** What the node was made of, to tell whether anything has changed. */
  print: string;
}

/** Longest sleep of a timer, in milliseconds; the runtime's own limit is higher. */
const maxSleepMs = 3_600_000;
/** What each record has, at least, to be confirmed after a time without any interface, in milliseconds. */
const returnGraceMs = 10_000;
/** Other services are told of once each, up to this many. */
const maxForeign = 100;

/** See `mdns()` for what it promises. */
export function browse(options: BrowseOptions): Observable<NodeSet> {
  return new Observable((subscriber) => {
    const { service, type, network, scheduler, random, reconfirmMs } = options;
    const typeKey = nameKey(type);
    const cache = new RecordCache(options.maxRecords, random);
    const followUps = new FollowUps(random);
    const instances = new Map<string, Instance>();
    const byHost = new Map<string, Set<string>>();
    const places = new Map<string, Place>();
    const doubted = new Map<string, number>();
    const foreign = new Set<string>();
    const restart$ = new Subject<boolean>();
    const life = new Subscription();
    let dirty = new Set<string>();
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
    const emit = (): void => {
      emitted = true;
      subscriber.next(set);
    };

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
      for (const record of [...packet.answers, ...packet.additionals]) {
        if (!isOurs(record)) continue;
        const heard = cache.add(record, link.name, now);
        if (heard === 'full') tell('skipped', `${options.maxRecords} records are known; "${clip(record.name)}" is one too many`);
        if (heard === 'new' || heard === 'dying') touch(record);
        if (record.type === 'PTR' && record.ttl > 0) followUps.again(nameKey(record.target), now);
      }
      settle();
    };

    /** Brings the instances that something was heard of up to date, and emits the set if it is another now. */
    const settle = (): void => {
      if (dirty.size > 0) {
        const now = scheduler.now();
        const named = new Map<string, string>();
        for (const { record } of cache.get(type, 'PTR')) {
          if (record.type === 'PTR') named.set(nameKey(record.target), record.target);
        }
        const changed: Node[] = [];
        const gone: string[] = [];
        const keys = dirty;
        dirty = new Set();
        for (const key of keys) {
          const name = named.get(key);
          const before = instances.get(key)?.node;
          const after = name === undefined ? forget(key) : read(key, name, now);
          if (after && after !== before) changed.push(after);
          else if (!after && before) gone.push(before.id);
        }
        const next = set.with(...changed).without(...gone);
        if (next !== set) {
          set = next;
          emit();
        }
      }
      arm();
    };

    const wanted = (record: MdnsRecord): boolean =>
      record.type === 'PTR' ||
      (record.type === 'SRV' || record.type === 'TXT' ? instances : byHost).has(nameKey(record.name));

    const wake = (): void => {
      const now = scheduler.now();
      const { expired, ask: refresh } = cache.due(now, wanted);
      for (const { record } of expired) touch(record);
      const { ask: missing, gaveUp } = followUps.due(now);
      ask([...refresh, ...missing]);
      for (const { subject, question } of gaveUp) {
        tell('skipped', `instance "${clip(subject)}": nobody answers for ${question.type} ${clip(question.name)}`);
      }
      settle();
    };
    const arm = (): void => {
      const at = cutOff || subscriber.closed ? Infinity : Math.min(cache.nextAt, followUps.nextAt);
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
      const key = nameKey(instanceName(id, type));
      const instance = instances.get(key);
      if (!instance || cutOff || (doubted.get(key) ?? 0) > now) return;
      doubted.set(key, now + reconfirmMs);
      const pointers = cache.get(type, 'PTR').filter((e) => e.record.type === 'PTR' && nameKey(e.record.target) === key);
      const services = cache.get(instance.name, 'SRV');
      const addresses = instance.hosts.flatMap((host) => [...cache.get(host, 'A'), ...cache.get(host, 'AAAA')]);
      cache.doubt([...pointers, ...services, ...addresses], now + reconfirmMs);
      const questions: Question[] = [
        { name: type, type: 'PTR' },
        { name: instance.name, type: 'SRV' },
        ...instance.hosts.flatMap((name): Question[] => [{ name, type: 'A' }, { name, type: 'AAAA' }]),
      ];
      life.add(timer(startDelay(random), reconfirmMs / 4, scheduler).pipe(take(2)).subscribe(() => ask(questions)));
      arm();
    };

    /** Silence means "nobody" only when it has lasted, and nothing that was heard is still being asked about. */
    const sayIfNobody = timer(options.initialWindowMs, options.initialWindowMs, scheduler).pipe(
      takeWhile(() => !emitted),
      tap(() => !cutOff && followUps.nextAt === Infinity && emit()),
    );
    const asking = querySchedule({ ...intervals(options), scheduler, random }).pipe(
      tap(() => ask([{ name: type, type: 'PTR' }])),
      exhaustMap(() => (emitted ? EMPTY : sayIfNobody)),
    );
    life.add(restart$.pipe(switchMap((on) => (on ? asking : EMPTY))).subscribe());

    const group = openGroup(
      network,
      {
        up(link) {
          places.set(link.name, { networks: link.networks, loopback: link.loopback });
          if (cutOff) {
            cutOff = false;
            cache.revive(scheduler.now(), scheduler.now() + returnGraceMs);
            if (set.stale) {
              set = set.withStale(undefined);
              emit();
            }
          }
          restart$.next(true);
          arm();
        },
        down(_link, left, reason) {
          if (left > 0) return;
          cutOff = true;
          restart$.next(false);
          if (emitted) {
            set = set.withStale({ since: scheduler.now(), reason });
            emit();
          }
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

/** A name from the network, for a message: short, and without control characters. */
function clip(text: string): string {
  return text.replace(/\p{C}/gu, '\uFFFD').slice(0, 100);
}
