/** The way out of a server that loses no call: not serving, withdraw, wait, drain, close. */

import {
  asyncScheduler,
  AsyncSubject,
  catchError,
  concat,
  defer,
  EMPTY,
  finalize,
  from,
  fromEvent,
  ignoreElements,
} from 'rxjs';
import { map, merge, mergeMap, of, race, Subject, take, throwError, timer } from 'rxjs';
import { type Observable, type ObservableInput, type SchedulerLike, type Unsubscribable } from 'rxjs';
import { FleetError } from '../core/fleetError.js';
import { requireOption } from '../core/requireOption.js';
import type { Registration } from './registration.js';

/** Work that may take its time, or not. */
type Work = ObservableInput<unknown> | void;

export interface GracefulExitOptions {
  /**
   * The registration to withdraw. Either one that runs, which is unsubscribed from and withdrawn in the background; or a
   * function that makes one, which runs from now on and whose withdrawal is waited for:
   * `(withdraw$) => register(node, registry, { withdraw$ })`.
   */
  readonly registration?: Unsubscribable | ((withdraw$: Observable<void>) => Observable<Registration>);
  /** Called with `false` first: the health service of the server then says `NOT_SERVING`. */
  readonly setServing?: (serving: boolean) => Work;
  /** How long clients have to hear that the node is gone, in milliseconds. Default 5,000. */
  readonly waitMs?: number;
  /** Lets the calls that run come to their end and takes no new ones. */
  readonly drain?: () => Work;
  /** How long that may take, in milliseconds. Default 30,000. */
  readonly drainMs?: number;
  /** Ends everything. May take as long as draining. */
  readonly close?: () => Work;
  /**
   * Starts with the first of these signals instead of at once. A second signal finds no listener of ours, and so ends
   * the process as it would without us.
   */
  readonly signals?: readonly NodeJS.Signals[];
  /** Default `asyncScheduler`. */
  readonly scheduler?: SchedulerLike;
}

/** Where a server is on its way out. */
export interface ExitStep {
  readonly step: 'running' | 'notServing' | 'withdrawing' | 'waiting' | 'draining' | 'closing' | 'closed';
  /** With `running` and `withdrawing`, when it was made here. */
  readonly registration?: Registration;
  /** The signal that started it, with `notServing`. */
  readonly signal?: NodeJS.Signals;
  /** Why the step could not be done; the next one follows all the same. */
  readonly error?: FleetError;
}

/**
 * Takes a server out without a lost call, step by step; completes after `closed`. The process then ends by itself, as
 * nothing of ours is left to do.
 *
 *     SIGTERM         --x
 *     gracefulExit    r-(nw)-p---d-c|     n = notServing, w = withdrawing, p = waiting, d = draining, c = closing, closed
 *
 * Health says so first, so that those who watch it leave at once; then the registry; then the news has time to spread,
 * while calls are still taken; only then are calls refused. A step that fails or takes too long is told with its error,
 * and the next one follows. Unsubscribing stops it where it is; a registration that was made here is withdrawn then.
 *
 * ```ts
 * gracefulExit({
 *   registration: (withdraw$) => register(node, registry, { withdraw$ }),
 *   setServing: (serving) => health.set(serving),
 *   drain: () => server.drain(),
 *   close: () => server.close(),
 *   signals: ['SIGTERM'],
 * }).subscribe(({ step }) => console.log(step));
 * ```
 *
 * Errors only when the registration does, before the exit has begun.
 *
 * @throws FleetError `INVALID_OPTION` for a time under 0.
 */
export function gracefulExit(options: GracefulExitOptions): Observable<ExitStep> {
  const { registration, setServing, waitMs = 5_000, drain, drainMs = 30_000, close, signals = [] } = options;
  const { scheduler = asyncScheduler } = options;
  requireOption(waitMs >= 0, 'waitMs', 'at least 0', waitMs);
  requireOption(drainMs > 0, 'drainMs', 'above 0', drainMs);

  return defer(() => {
    const withdraw$ = new Subject<void>();
    const withdrawn$ = new AsyncSubject<never>();
    let leaving = false;

    const running$ =
      typeof registration !== 'function'
        ? EMPTY
        : registration(withdraw$).pipe(
            map((each): ExitStep => ({
              step: each.state === 'withdrawing' ? each.state : 'running',
              registration: each,
            })),
            catchError((error: unknown) => (leaving ? EMPTY : throwError(() => error))),
            finalize(() => withdrawn$.complete()),
          );
    const withdraw = (): Work => {
      if (typeof registration !== 'function') return registration?.unsubscribe();
      withdraw$.next();
      return withdrawn$;
    };
    const step = (name: ExitStep['step'], work: () => Work, limitMs = drainMs): Observable<ExitStep> =>
      done(name, work, limitMs, scheduler);
    const exit = (signal?: NodeJS.Signals): Observable<ExitStep> => {
      leaving = true;
      return concat(
        step('notServing', () => setServing?.(false)).pipe(map((each) => (signal ? { ...each, signal } : each))),
        step('withdrawing', withdraw),
        step('waiting', () => timer(waitMs, scheduler), Infinity),
        step('draining', () => drain?.()),
        step('closing', () => close?.()),
        of<ExitStep>({ step: 'closed' }),
      );
    };
    if (signals.length === 0)
      return merge(
        running$,
        defer(() => exit()),
      );
    const signal$ = merge(...signals.map((signal) => fromEvent(process, signal).pipe(map(() => signal)))).pipe(take(1));
    // Listening comes first: a signal right after the registration must not find the process deaf.
    return merge(signal$.pipe(mergeMap(exit)), running$);
  });
}

/** The step as it begins, and once more with an error if it fails. */
function done(
  step: ExitStep['step'],
  work: () => Work,
  limitMs: number,
  scheduler: SchedulerLike,
): Observable<ExitStep> {
  const worked$ = defer(() => {
    const working: unknown = work();
    // Whatever cannot be waited for is done already.
    return typeof working === 'object' && working !== null ? from(working as ObservableInput<unknown>) : EMPTY;
  }).pipe(ignoreElements());
  const message = `${step} did not end within ${limitMs} ms: the next step follows all the same`;
  const late = () => throwError(() => new FleetError('DEADLINE_EXCEEDED', message));
  const limited$ =
    limitMs === Infinity ? worked$ : race(concat(worked$, of(true)), timer(limitMs, scheduler).pipe(mergeMap(late)));
  return concat(
    of<ExitStep>({ step }),
    limited$.pipe(
      ignoreElements(),
      catchError((thrown: unknown) => of<ExitStep>({ step, error: FleetError.from(thrown) })),
    ),
  );
}
