/** A circuit breaker around anything that is an Observable: a query, a request, a job. */

import { asyncScheduler, BehaviorSubject, defer, tap, throwError, type Observable, type SchedulerLike } from 'rxjs';
import { deadlineWheel } from '../core/deadlineWheel.js';
import { FleetError } from '../core/fleetError.js';
import { stopwatchOf } from '../core/stopwatch.js';
import type { BreakerState } from './callEvent.js';
import { Alarm } from './circuitBreaker/alarm.js';
import { Breaker } from './circuitBreaker/breaker.js';
import { breakerRules, type BreakerOptions } from './circuitBreaker/breakerOptions.js';

export interface CreateCircuitBreakerOptions extends BreakerOptions {
  /** What it protects, for messages. Default `source`. */
  readonly name?: string;
  /**
   * Whether an error is a failure. What is none counts for nothing; if it throws, the default counts. Default: every error
   * but a `FleetError` that blames the request or the caller.
   */
  readonly countsAsFailure?: (error: unknown) => boolean;
  /** Default `asyncScheduler`. */
  readonly scheduler?: SchedulerLike;
  /** Default `Math.random`. */
  readonly random?: () => number;
}

/** A circuit breaker by itself, until `close()`. */
export interface CircuitBreaker {
  /** Its state now, then each change; completes on `close()`. */
  readonly state$: BehaviorSubject<BreakerState>;
  /**
   * The source behind the breaker, which is asked at each subscription. `source$.pipe(breaker.protect)` is the same.
   *
   *     source       -#  -#       -a|      2 failures in a row, a cooldown of 6
   *     protected    -#  -#  #    -a|      refused in between, at once
   *     state$       c----o-----h--c--
   *
   * Errors with what the source errors with. While it is shut: with `CIRCUIT_OPEN`, without a subscription to the source.
   */
  readonly protect: <T>(source: Observable<T>) => Observable<T>;
  /** Stops its timer and completes `state$`; from then on all is refused with `CLOSED`. What runs goes on. */
  close(): void;
  [Symbol.dispose](): void;
}

/**
 * A circuit breaker for what is no call of a fleet or pool: the states and options of `circuitBreaker()`.
 *
 * ```ts
 * const breaker = createCircuitBreaker({ name: 'the price list', consecutiveFailures: 3, cooldownMs: 5_000 });
 * breaker.state$.subscribe(console.log);
 * breaker.protect(fromFetch(url)).pipe(failover(() => of(cachedPrices))).subscribe(show);
 * ```
 *
 * A source that gave a value, or completed, has succeeded, also when its subscriber leaves then; one that errors has failed,
 * whatever it gave before. One that is left before it said anything counts for nothing. A probe counts at its first value.
 *
 * @throws FleetError `INVALID_OPTION`, naming the field.
 */
export function createCircuitBreaker(options: CreateCircuitBreakerOptions = {}): CircuitBreaker {
  const {
    name = 'source',
    countsAsFailure = isOfTheSource,
    scheduler = asyncScheduler,
    random = Math.random,
  } = options;
  const rules = breakerRules(options, 'createCircuitBreaker');
  const clock = stopwatchOf(scheduler);
  const state$ = new BehaviorSubject<BreakerState>('closed');
  let why = '';
  let isClosed = false;

  const breaker = new Breaker(rules, random, clock(), {
    changed(_, to, reason) {
      why = reason;
      arm();
      tell(to);
    },
  });
  const alarm = new Alarm(deadlineWheel(scheduler, clock), () => {
    breaker.advance(clock());
    arm();
  });
  const arm = () => {
    const now = clock();
    if (!isClosed) alarm.set(now + Math.max(0, breaker.dueIn(now)));
  };
  // One after the other: who hears of a state may bring about the next before others have heard of this one.
  const untold: BreakerState[] = [];
  const tell = (state: BreakerState) => {
    if (untold.push(state) > 1) return;
    for (; untold.length > 0; untold.shift()) state$.next(untold[0]!);
  };
  const isFailure = (error: unknown) => {
    try {
      return countsAsFailure(error);
    } catch {
      return isOfTheSource(error);
    }
  };
  const refusal = () => {
    if (isClosed) return new FleetError('CLOSED', `the circuit breaker of ${name} was closed`, { sent: false });
    const state = breaker.state === 'open' ? `open: ${why}` : 'half-open: its probes are under way';
    return new FleetError('CIRCUIT_OPEN', `the circuit breaker of ${name} is ${state}`, { sent: false });
  };

  const close = () => {
    isClosed = true;
    alarm.set(Infinity);
    state$.complete();
  };

  return {
    state$,
    close,
    [Symbol.dispose]: close,
    protect: (source) =>
      defer(() => {
        const begunAt = clock();
        const pass = isClosed ? 0 : breaker.enter(begunAt);
        if (pass === 0) return throwError(refusal);
        arm();
        let tookMs: number | undefined;
        const answered = (now: number) => {
          breaker.answered(pass, (tookMs ??= now - begunAt), now);
          arm();
        };
        return source.pipe(
          tap({
            next() {
              if (tookMs !== undefined) return;
              const now = clock();
              tookMs = now - begunAt;
              if (breaker.state === 'halfOpen') answered(now);
            },
            error(error: unknown) {
              if (isFailure(error)) breaker.failed(pass, clock(), told(error));
              else breaker.undone(pass, clock());
              arm();
            },
            complete: () => answered(clock()),
            unsubscribe() {
              if (tookMs !== undefined) answered(clock());
              else breaker.undone(pass, clock());
              arm();
            },
          }),
        );
      }),
  };
}

function isOfTheSource(error: unknown): boolean {
  return !(error instanceof FleetError) || error.blame === 'node' || error.blame === 'network';
}

/** The code of a `FleetError`, or what else says what went wrong. */
function told(error: unknown): string {
  const { code, detail } = FleetError.from(error);
  return error instanceof FleetError ? code : detail;
}
