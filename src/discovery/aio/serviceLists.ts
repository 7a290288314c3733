/** The lists of services that AIO gives, asked for once for everybody who wants the same. */

import {
  catchError,
  concatMap,
  defer,
  map,
  of,
  repeat,
  ReplaySubject,
  share,
  tap,
  throwError,
  timer,
  type Observable,
} from 'rxjs';
import { exponentialBackoff } from '../../core/backoff.js';
import { methodOf } from '../../core/method.js';
import { requireOption } from '../../core/requireOption.js';
import { RegistryService } from '../../gen/aio/registry_pb.js';
import type { AioAccess } from './access.js';
import { aioService, type AioService } from './aioInstance.js';

export interface AioPollOptions {
  /** How often a list that somebody follows is asked for, in milliseconds. Default 30,000, as AIO's own SDK. */
  readonly pollMs?: number;
  /** Each wait is spread evenly over ± this fraction, so that clients do not ask together. Default 0.1. */
  readonly pollJitter?: number;
}

/** One answer, and when it was given. */
export interface ServiceList {
  readonly services: readonly AioService[];
  /** Milliseconds since the epoch by our clock. */
  readonly at: number;
}

/** The list of one project in one environment. */
interface Entry {
  readonly fetched$: Observable<ServiceList>;
  readonly followed$: Observable<ServiceList>;
  readonly recent$: Observable<ServiceList>;
}

const listServices = methodOf(RegistryService.method.listServices);

/** All lists of one access. AIO cannot be watched, so a list is followed by asking again. */
export class ServiceLists {
  readonly pollMs: number;
  readonly #pollJitter: number;
  readonly #access: AioAccess;
  readonly #entries = new Map<string, Entry>();
  readonly #backoff = exponentialBackoff({ initialBackoffMs: 100, maxBackoffMs: 30_000 });

  /** @throws FleetError `INVALID_OPTION` for times that make no sense. */
  constructor(access: AioAccess, { pollMs = 30_000, pollJitter = 0.1 }: AioPollOptions = {}) {
    requireOption(pollMs > 0, 'pollMs', 'above 0', pollMs);
    requireOption(pollJitter >= 0 && pollJitter <= 1, 'pollJitter', 'from 0 to 1', pollJitter);
    this.#access = access;
    this.pollMs = pollMs;
    this.#pollJitter = pollJitter;
  }

  /** Asks now, or joins who is asking. Empty `project` or `env`: all of them. Cold; one list, then the end. */
  fetch(project: string, env: string): Observable<ServiceList> {
    return defer(() => this.#entry(project, env).fetched$);
  }

  /**
   * The list now, then each time it was asked for. Shared: who comes later gets the last one at once. Errors when it
   * cannot be had; who subscribes again then waits with the others for the one next try.
   */
  follow(project: string, env: string): Observable<ServiceList> {
    return defer(() => this.#entry(project, env).followed$);
  }

  /**
   * One that is no older than `pollMs`, asked for if need be; an older one where the server cannot be asked. Cold; one
   * list, then the end. Errors only when there never was one.
   */
  recent(project: string, env: string): Observable<ServiceList> {
    return defer(() => this.#entry(project, env).recent$);
  }

  #entry(project: string, env: string): Entry {
    const key = keyOf(project, env);
    let entry = this.#entries.get(key);
    if (!entry) this.#entries.set(key, (entry = this.#newEntry(project, env)));
    return entry;
  }

  #newEntry(project: string, env: string): Entry {
    const { scheduler, random } = this.#access;
    let failures = 0;
    let failedAt = 0;
    let backoffMs = 0;
    let last: ServiceList | undefined;
    // Never longer than the backoff itself, wherever the clock was set meanwhile.
    const leftMs = () => Math.min(failedAt + backoffMs - scheduler.now(), backoffMs);
    const once = () => new ReplaySubject<ServiceList>(1);

    const request = listServices.message({ project, env });
    const fetched$ = this.#access.hopeful(this.#access.call(listServices, request)).pipe(
      map(({ services }) => ({ services: services.map(aioService), at: scheduler.now() })),
      tap({
        next: (list) => {
          last = list;
          failures = 0;
          backoffMs = 0;
        },
        error: () => {
          failedAt = scheduler.now();
          backoffMs = this.#backoff(++failures, random);
        },
      }),
      share({ connector: once }),
    );
    const followed$ = this.#access
      .held(() =>
        defer(() => {
          const waitMs = leftMs();
          return waitMs > 0 ? timer(waitMs, scheduler).pipe(concatMap(() => fetched$)) : fetched$;
        }).pipe(repeat({ delay: () => timer(this.#spread(), scheduler) })),
      )
      .pipe(share({ connector: once }));
    const recent$ = defer(() => {
      const now = scheduler.now();
      // A list from the future was made before the clock was set.
      if (last && ((now >= last.at && now - last.at < this.pollMs) || leftMs() > 0)) return of(last);
      return fetched$.pipe(catchError((error: unknown) => (last ? of(last) : throwError(() => error))));
    });
    return { fetched$, followed$, recent$ };
  }

  #spread(): number {
    return this.pollMs * (1 - this.#pollJitter + 2 * this.#pollJitter * this.#access.random());
  }
}

function keyOf(project: string, env: string): string {
  return JSON.stringify([project, env]);
}
