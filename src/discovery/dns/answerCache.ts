/** Answers for as long as they live, each name asked for by one query at a time. */

import { catchError, defer, finalize, map, of, share, throwError, type Observable, type SchedulerLike } from 'rxjs';
import { FleetError } from '../../core/fleetError.js';
import type { Answer } from './askResolvers.js';
import { recordsOf, type DnsRecord, type Question } from './record.js';

export interface AnswerCacheOptions {
  readonly ask: (question: Question) => Observable<Answer>;
  /** The shortest and the longest life, whatever the record says, in milliseconds. */
  readonly minTtlMs: number;
  readonly maxTtlMs: number;
  readonly scheduler: SchedulerLike;
}

/** An answer, and until when it may be used. */
export interface Cached {
  readonly records: readonly DnsRecord[];
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
  /** Why it could not be asked for again, when it is past its life and used all the same (RFC 8767). */
  readonly stale?: string;
}

/** After a failure a name is asked for again no sooner, in milliseconds (RFC 8767, 5 has 30 s at most). */
const retryMs = 5_000;

export class AnswerCache {
  readonly #options: AnswerCacheOptions;
  readonly #entries = new Map<string, Cached>();
  readonly #failures = new Map<string, { readonly error: FleetError; readonly until: number }>();
  readonly #inFlight = new Map<string, Observable<Cached>>();

  constructor(options: AnswerCacheOptions) {
    this.#options = options;
  }

  /** The answer, kept or asked for. Errors when it cannot be had. */
  get(question: Question): Observable<Cached> {
    const key = keyOf(question);
    return defer(() => {
      const kept = this.#entries.get(key);
      if (kept && kept.expiresAt > this.#options.scheduler.now()) return of(kept);
      let query = this.#inFlight.get(key);
      if (!query) {
        query = defer(() => this.#options.ask(question)).pipe(
          map((answer) => this.#keep(question, answer)),
          finalize(() => this.#inFlight.delete(key)),
          share(),
        );
        this.#inFlight.set(key, query);
      }
      return query;
    });
  }

  /** The same, but where it cannot be had the last one that is known, marked so. Not tried again for some seconds. */
  getOrStale(question: Question): Observable<Cached> {
    const key = keyOf(question);
    return defer(() => {
      const { scheduler, minTtlMs } = this.#options;
      const instead = ({ error, until }: { error: FleetError; until: number }): Observable<Cached> => {
        const old = this.#entries.get(key);
        return old ? of({ ...old, expiresAt: until, stale: error.message }) : throwError(() => error);
      };
      const failed = this.#failures.get(key);
      if (failed && failed.until > scheduler.now()) return instead(failed);
      return this.get(question).pipe(
        catchError((thrown: unknown) => {
          const failure = { error: FleetError.from(thrown), until: scheduler.now() + Math.max(minTtlMs, retryMs) };
          this.#failures.set(key, failure);
          return instead(failure);
        }),
      );
    });
  }

  /** The last answer, however old. */
  last(question: Question): Cached | undefined {
    return this.#entries.get(keyOf(question));
  }

  /** Makes the next question for these names a real one. */
  expire(...names: readonly string[]): void {
    const gone = new Set(names.map((name) => name.toLowerCase()));
    for (const [key, entry] of this.#entries) {
      if (gone.has(key.slice(key.indexOf(' ') + 1))) this.#entries.set(key, { ...entry, expiresAt: 0 });
    }
  }

  /** Forgets all names but these, so that a fleet whose nodes come and go does not fill the memory. */
  retain(names: readonly string[]): void {
    const kept = new Set(names.map((name) => name.toLowerCase()));
    for (const map of [this.#entries, this.#failures]) {
      for (const key of map.keys()) if (!kept.has(key.slice(key.indexOf(' ') + 1))) map.delete(key);
    }
  }

  #keep(question: Question, { records, additionals, ttl }: Answer): Cached {
    const { minTtlMs, maxTtlMs, scheduler } = this.#options;
    const lifeMs = Math.min(Math.max(ttl * 1_000, minTtlMs), maxTtlMs);
    const entry: Cached = { records, expiresAt: scheduler.now() + lifeMs };
    this.#entries.set(keyOf(question), entry);
    this.#failures.delete(keyOf(question));
    // A server of SRV records sends the addresses of their targets along, all that it has or none (RFC 2782).
    for (const record of records) {
      if (record.type !== 'SRV') continue;
      const [a, aaaa] = [recordsOf(additionals, record.target, 'A'), recordsOf(additionals, record.target, 'AAAA')];
      const shortest = Math.min(...[...a, ...aaaa].map((address) => address.ttl));
      if (a.length + aaaa.length === 0) continue;
      this.#keep({ name: record.target, type: 'A' }, { records: a, additionals: [], ttl: shortest });
      this.#keep({ name: record.target, type: 'AAAA' }, { records: aaaa, additionals: [], ttl: shortest });
    }
    return entry;
  }
}

function keyOf({ name, type }: Question): string {
  return `${type} ${name.toLowerCase()}`;
}
