/** What became of the inferences of a client: counters that cost a few additions a call, and a stream of them. */

import { asyncScheduler, interval, map, merge, Observable, of, Subject, type MonoTypeOperatorFunction } from 'rxjs';
import type { SchedulerLike } from 'rxjs';
import { requireOption } from '../core/requireOption.js';

/** Inferences as the user sees them: one each, however many attempts it took. */
export interface InferMetrics {
  /** Those that are over. */
  readonly total: number;
  readonly succeeded: number;
  readonly failed: number;
  /** Given up by their caller. */
  readonly cancelled: number;
  readonly inFlight: number;
  /** `succeeded / (succeeded + failed)`, from 0 to 1; 1 before the first. */
  readonly successRate: number;
  /** Milliseconds that successes took on average; 0 before the first. */
  readonly averageLatencyMs: number;
  /** Successes a second over the last `windowMs`, or over the life of the client while it is shorter. */
  readonly throughputPerSecond: number;
  readonly windowMs: number;
}

export interface InferMeterOptions {
  /** The window of the throughput, in milliseconds. Default 10,000. */
  readonly windowMs?: number;
  /** Default `asyncScheduler`. */
  readonly scheduler?: SchedulerLike;
}

export interface InferMeter {
  /** As it is now. */
  readonly metrics: InferMetrics;
  /** As it is now, then after each inference and each second. */
  readonly metrics$: Observable<InferMetrics>;
  /**
   * Counts each subscription as one inference. With `single`, its one value is the success, also to a caller who
   * takes it and leaves; else its completion is.
   */
  measure<T>(single: boolean): MonoTypeOperatorFunction<T>;
}

const slots = 10;

/** @throws FleetError `INVALID_OPTION` for a window under 10 ms. */
export function createInferMeter(options: InferMeterOptions = {}): InferMeter {
  const { windowMs = 10_000, scheduler = asyncScheduler } = options;
  requireOption(windowMs >= slots, 'metricsWindowMs', `at least ${slots}`, windowMs);
  const slotMs = windowMs / slots;
  const since = scheduler.now();
  const counts = new Float64Array(slots + 1);
  const changed$ = new Subject<void>();
  let slot = Math.floor(since / slotMs);
  let succeeded = 0;
  let failed = 0;
  let cancelled = 0;
  let inFlight = 0;
  let latencyMs = 0;

  const advance = (): number => {
    const now = Math.floor(scheduler.now() / slotMs);
    for (let left = Math.min(now - slot, slots + 1); left > 0; left--) counts[(now - left + 1) % (slots + 1)] = 0;
    if (now > slot) slot = now;
    return slot % (slots + 1);
  };
  const snapshot = (): InferMetrics => {
    advance();
    const answered = succeeded + failed;
    const lived = Math.min(windowMs, Math.max(scheduler.now() - since, slotMs));
    return {
      total: answered + cancelled,
      succeeded,
      failed,
      cancelled,
      inFlight,
      successRate: answered === 0 ? 1 : succeeded / answered,
      averageLatencyMs: succeeded === 0 ? 0 : latencyMs / succeeded,
      throughputPerSecond: (counts.reduce((sum, count) => sum + count, 0) * 1_000) / lived,
      windowMs,
    };
  };

  return {
    get metrics() {
      return snapshot();
    },
    metrics$: new Observable((subscriber) =>
      merge(of(undefined), changed$, interval(1_000, scheduler)).pipe(map(snapshot)).subscribe(subscriber),
    ),
    measure: (single) => (source) =>
      new Observable((subscriber) => {
        const startedAt = scheduler.now();
        let over = false;
        const end = (count: () => void) => {
          if (over) return;
          over = true;
          inFlight--;
          count();
          if (changed$.observed) changed$.next();
        };
        const answered = () => {
          succeeded++;
          latencyMs += scheduler.now() - startedAt;
          counts[advance()]!++;
        };
        inFlight++;
        subscriber.add(() => end(() => cancelled++));
        subscriber.add(
          source.subscribe({
            next: (value) => {
              if (single) end(answered);
              subscriber.next(value);
            },
            error: (error: unknown) => {
              end(() => failed++);
              subscriber.error(error);
            },
            complete: () => {
              end(answered);
              subscriber.complete();
            },
          }),
        );
      }),
  };
}
