/**
 * The records that were heard, each for as long as it lives (RFC 6762, 5.2 and 10).
 *
 * It holds no timer and no clock: who owns it calls `due` at `nextAt`. Records of different interfaces are kept apart,
 * as RFC 6762 wants it, so that what one says does not flush what another said.
 */

import { nameKey } from './name.js';
import { recordKey, type MdnsRecord, type Question, type RecordType } from './packet.js';

export interface CachedRecord {
  readonly record: MdnsRecord;
  /** The name of the interface that it was heard on. */
  readonly link: string;
  readonly receivedAt: number;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
  /** Said to be over, by a goodbye or by what has replaced it: it is gone within a second. */
  readonly dying: boolean;
}

interface Entry extends CachedRecord {
  record: MdnsRecord;
  receivedAt: number;
  expiresAt: number;
  dying: boolean;
  /** When to ask for it again; Infinity when nothing is left to ask. */
  refreshAt: number;
  refreshes: number;
}

/** What became of a record that was heard. */
export type Heard = 'new' | 'renewed' | 'dying' | 'ignored' | 'full';

/** The fractions of its life at which a record is asked for again (RFC 6762, 5.2). */
const refreshPoints = [0.8, 0.85, 0.9, 0.95] as const;
/** Each is later by up to this fraction, so that the clients of a network do not ask together. */
const refreshSpread = 0.02;
/** What said goodbye or was flushed lives this long, so that a mistake can be corrected (RFC 6762, 10.1 and 10.2). */
const lastBreathMs = 1_000;
/**
 * How late an answer may be. What was multicast within the last second is not sent again before that has passed (RFC 6762,
 * 6), and answers wait for others to go with: python-zeroconf comes to 1.3 s.
 */
const lateAnswerMs = 3_000;
/** No record is believed for longer. */
const maxLifeMs = 24 * 3_600_000;
/** Refreshes that are due within this time, or within 1 % of the life if that is less, are asked for together. */
const togetherMs = 250;

export class RecordCache {
  readonly #entries = new Map<string, Map<string, Entry>>();
  readonly #maxRecords: number;
  readonly #random: () => number;
  /** The interfaces that are gone while others are left. */
  readonly #gone = new Set<string>();
  /** Until when what has been replaced is not brought back by what goes along with an answer; the oldest first. */
  readonly #replaced = new Map<string, number>();
  #size = 0;
  /** Never later than the next thing to do. */
  #nextAt = Infinity;

  constructor(maxRecords: number, random: () => number) {
    this.#maxRecords = maxRecords;
    this.#random = random;
  }

  get size(): number {
    return this.#size;
  }

  /** When `due` is to be called next, in milliseconds since the epoch; Infinity for never. */
  get nextAt(): number {
    return this.#nextAt;
  }

  /**
   * Takes a record in: a new one, one more sign of life, or a goodbye (life 0).
   *
   * @param additional heard as what goes along with an answer (RFC 6763, 12). Responders prepare that when they are
   *   asked and may say it more than a second later, with what an announcement has replaced meanwhile; so it brings back
   *   nothing that has just been replaced. What really is as it was before is announced, in the place of an answer.
   */
  add(record: MdnsRecord, link: string, now: number, additional = false): Heard {
    const group = setKey(record.name, record.type);
    const records = this.#entries.get(group);
    const key = `${link} ${recordKey(record)}`;
    const known = records?.get(key);
    // A record from an interface that is gone is answered for by whoever tells of the same on another.
    const orphans = this.#orphansOf(record, records);
    if (record.ttl === 0) {
      const dying = [known, ...orphans].filter((entry) => entry && !entry.dying) as Entry[];
      for (const entry of dying) this.#die(entry, now);
      return dying.length > 0 ? 'dying' : 'ignored';
    }
    const place = `${group} ${key}`;
    if (additional && (this.#replaced.get(place) ?? 0) > now) return 'ignored';
    this.#replaced.delete(place);
    let changed = known?.dying ?? false;
    for (const entry of orphans) {
      records!.delete(`${entry.link} ${recordKey(record)}`);
      this.#size--;
      changed = true;
    }
    if (record.flush) {
      for (const other of records?.values() ?? []) {
        if (other === known || other.dying || !(other.link === link || this.#gone.has(other.link))) continue;
        // Several addresses may come in several packets, so what is younger than a second is of the same announcement
        // (RFC 6762, 10.2). Of the other records an instance has one.
        const several = record.type === 'A' || record.type === 'AAAA';
        if (other.receivedAt >= now - (several ? lastBreathMs : 0)) continue;
        this.#die(other, now);
        this.#remember(`${group} ${other.link} ${recordKey(other.record)}`, now);
        changed = true;
      }
    }
    if (known) {
      this.#renew(known, record, now);
      return changed ? 'new' : 'renewed';
    }
    if (this.#size >= this.#maxRecords) return 'full';
    const entry = { record, link, receivedAt: now, expiresAt: now, dying: false, refreshAt: now, refreshes: 0 };
    this.#renew(entry, record, now);
    if (records) records.set(key, entry);
    else this.#entries.set(group, new Map([[key, entry]]));
    this.#size++;
    return 'new';
  }

  /** The living records of a name and type, the latest heard first. */
  get(name: string, type: 'PTR' | 'SRV' | 'TXT' | 'A' | 'AAAA'): readonly CachedRecord[] {
    const records = this.#entries.get(setKey(name, type));
    if (!records) return [];
    if (records.size === 1) return [...records.values()];
    return [...records.values()].sort((a, b) => Number(a.dying) - Number(b.dying) || b.receivedAt - a.receivedAt);
  }

  /**
   * Drops what has run out, and tells it; and tells which questions keep alive what `wanted` says is still of
   * interest.
   */
  due(
    now: number,
    wanted: (record: MdnsRecord) => boolean,
  ): { expired: readonly CachedRecord[]; ask: readonly Question[] } {
    const expired: CachedRecord[] = [];
    const ask = new Map<string, Question>();
    this.#nextAt = Infinity;
    for (const [group, records] of this.#entries) {
      for (const [key, entry] of records) {
        if (entry.expiresAt <= now) {
          records.delete(key);
          this.#size--;
          expired.push(entry);
          continue;
        }
        if (entry.refreshAt - Math.min(togetherMs, entry.record.ttl * 10) <= now) {
          const { name, type } = entry.record;
          if (wanted(entry.record)) ask.set(group, { name, type });
          entry.refreshes++;
          this.#planRefresh(entry);
        }
        this.#nextAt = Math.min(this.#nextAt, entry.expiresAt, entry.refreshAt);
      }
      if (records.size === 0) this.#entries.delete(group);
    }
    return { expired, ask: [...ask.values()] };
  }

  /**
   * The records that need not be told again: those heard on this interface with at least half their life left, with
   * what is left of it (RFC 6762, 7.1). Never those in doubt.
   */
  knownAnswers(name: string, type: RecordType, link: string, now: number): readonly MdnsRecord[] {
    return this.get(name, type)
      .filter((entry) => entry.link === link && (entry as Entry).refreshAt !== Infinity)
      .filter(({ record, expiresAt }) => (expiresAt - now) * 2 >= record.ttl * 1_000)
      .map(({ record, expiresAt }) => ({ ...record, ttl: Math.floor((expiresAt - now) / 1_000), flush: false }));
  }

  /** Doubts these records: those that are not heard again by `until` run out then (RFC 6762, 10.4). */
  doubt(records: Iterable<CachedRecord>, until: number): void {
    for (const record of records) {
      const entry = record as Entry;
      entry.expiresAt = Math.min(entry.expiresAt, until);
      entry.refreshAt = Infinity;
      this.#nextAt = Math.min(this.#nextAt, entry.expiresAt);
    }
  }

  /** An interface is gone, or is back. */
  setLink(link: string, up: boolean): void {
    if (up) this.#gone.delete(link);
    else this.#gone.add(link);
  }

  /** After a time without any interface: everything but what said goodbye lives at least until `until`, and what was due is asked for now. */
  revive(now: number, until: number): void {
    for (const records of this.#entries.values()) {
      for (const entry of records.values()) {
        if (entry.dying) continue;
        if (entry.expiresAt < until) entry.refreshAt = Math.min(entry.refreshAt, now + togetherMs);
        entry.expiresAt = Math.max(entry.expiresAt, until);
      }
    }
    this.#nextAt = now;
  }

  #remember(place: string, now: number): void {
    this.#replaced.delete(place);
    this.#replaced.set(place, now + lateAnswerMs);
    for (const [oldest, until] of this.#replaced) {
      if (until > now && this.#replaced.size <= this.#maxRecords) break;
      this.#replaced.delete(oldest);
    }
  }

  #orphansOf(record: MdnsRecord, records: ReadonlyMap<string, Entry> | undefined): readonly Entry[] {
    return [...this.#gone].flatMap((link) => records?.get(`${link} ${recordKey(record)}`) ?? []);
  }

  #renew(entry: Entry, record: MdnsRecord, now: number): void {
    entry.record = record;
    entry.receivedAt = now;
    entry.expiresAt = now + Math.min(record.ttl * 1_000, maxLifeMs);
    entry.dying = false;
    entry.refreshes = 0;
    this.#planRefresh(entry);
    this.#nextAt = Math.min(this.#nextAt, entry.refreshAt);
  }

  #planRefresh(entry: Entry): void {
    const point = refreshPoints[entry.refreshes];
    const life = entry.expiresAt - entry.receivedAt;
    const spread = point === undefined ? 0 : point + refreshSpread * this.#random();
    entry.refreshAt = point === undefined ? Infinity : entry.receivedAt + life * spread;
  }

  #die(entry: Entry, now: number): void {
    entry.dying = true;
    entry.expiresAt = Math.min(entry.expiresAt, now + lastBreathMs);
    entry.refreshAt = Infinity;
    this.#nextAt = Math.min(this.#nextAt, entry.expiresAt);
  }
}

function setKey(name: string, type: string): string {
  return `${type} ${nameKey(name)}`;
}
