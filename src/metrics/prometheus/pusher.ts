/** Pushes again and again, and a last time. */

import {
  catchError,
  concatMap,
  defer,
  EMPTY,
  from,
  lastValueFrom,
  map,
  retry,
  Subscription,
  tap,
  throwError,
  timeout,
  timer,
  type Observable,
  type SchedulerLike,
} from 'rxjs';
import { exponentialBackoff } from '../../core/backoff.js';
import { FleetError } from '../../core/fleetError.js';
import { httpExchange, refusalOf, type HttpHeaders } from './httpExchange.js';
import type { PrometheusMetrics } from './prometheusMetrics.js';
import { rounds } from './rounds.js';

/** What became of a push. Told apart by `type`. */
export type PushEvent =
  | { readonly type: 'pushed'; readonly at: number; readonly bytes: number }
  | { readonly type: 'deleted'; readonly at: number }
  /** `retryInMs`: when it is tried again; undefined when it is not. */
  | {
      readonly type: 'failed';
      readonly at: number;
      readonly error: FleetError;
      readonly retryInMs: number | undefined;
    };

/** See `pushPrometheus`. */
export interface PrometheusPusher {
  /** Where the group is. */
  readonly url: string;
  readonly metrics: PrometheusMetrics;
  /** Pushes now. Rejects with a FleetError when that fails. */
  push(): Promise<void>;
  /**
   * Pushes a last time, or deletes the group, for `closeMs` at most; never rejects. The metrics end, too, if they began
   * here. May be called twice.
   */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** The options of `pushPrometheus`, with their defaults. */
export interface PushRules {
  readonly url: string;
  /** The Pushgateway, for messages. */
  readonly who: string;
  readonly intervalMs: number;
  readonly method: 'PUT' | 'POST';
  readonly headers: HttpHeaders;
  readonly timeoutMs: number;
  readonly closeMs: number;
  readonly deleteOnClose: boolean;
  readonly onEvent: ((event: PushEvent) => void) | undefined;
  readonly random: () => number;
  readonly scheduler: SchedulerLike;
}

/** For a Pushgateway that is away. */
const backoff = exponentialBackoff({ initialBackoffMs: 1_000, maxBackoffMs: 60_000 });
/** The same where there is little time left. */
const lastBackoff = exponentialBackoff({ initialBackoffMs: 200, maxBackoffMs: 2_000 });

export class Pusher implements PrometheusPusher {
  readonly url: string;
  readonly metrics: PrometheusMetrics;
  private readonly rules: PushRules;
  private readonly release: () => Promise<void>;
  private readonly life = new Subscription();
  private closing: Promise<void> | undefined;

  /** @param release called at the end, with which the metrics end that began here. */
  constructor(metrics: PrometheusMetrics, release: () => Promise<void>, rules: PushRules) {
    this.url = rules.url;
    this.metrics = metrics;
    this.rules = rules;
    this.release = release;
    const { intervalMs, random, scheduler } = rules;
    const failed = (thrown: unknown, retryInMs: number) => void this.failed(thrown, retryInMs);
    if (intervalMs === Infinity) return;
    this.life.add(rounds(this.once(), { intervalMs, backoff, random, scheduler, failed }).subscribe());
  }

  push(): Promise<void> {
    return lastValueFrom(this.once().pipe(catchError((thrown: unknown) => throwError(() => this.failed(thrown)))), {
      defaultValue: undefined,
    });
  }

  close(): Promise<void> {
    return (this.closing ??= this.end());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  private async end(): Promise<void> {
    const { closeMs, deleteOnClose, random, scheduler, who } = this.rules;
    this.life.unsubscribe();
    const message = `${who} did not take the last push within ${closeMs} ms`;
    const last$ = (deleteOnClose ? this.delete() : this.once()).pipe(
      retry({
        delay: (thrown: unknown, count) => {
          const retryInMs = lastBackoff(count, random);
          this.failed(thrown, retryInMs);
          return timer(retryInMs, scheduler);
        },
      }),
      timeout({
        first: closeMs,
        scheduler,
        with: () => throwError(() => new FleetError('DEADLINE_EXCEEDED', message)),
      }),
      catchError((thrown: unknown) => {
        this.failed(thrown);
        return EMPTY;
      }),
    );
    await lastValueFrom(last$, { defaultValue: undefined });
    await this.release();
  }

  private once(): Observable<void> {
    const { registry } = this.metrics;
    return defer(() => from(registry.metrics())).pipe(
      // Nothing to push would delete what is there.
      concatMap((text) => (text.trim() === '' ? EMPTY : this.send(text))),
    );
  }

  private send(text: string): Observable<void> {
    const bytes = Buffer.byteLength(text);
    const { method, scheduler } = this.rules;
    return this.ask(method, text).pipe(tap(() => this.tell({ type: 'pushed', at: scheduler.now(), bytes })));
  }

  private delete(): Observable<void> {
    const { scheduler } = this.rules;
    return this.ask('DELETE').pipe(tap(() => this.tell({ type: 'deleted', at: scheduler.now() })));
  }

  private ask(method: string, body?: string): Observable<void> {
    const { who, url, headers, timeoutMs, scheduler } = this.rules;
    const content = body === undefined ? {} : { body, contentType: this.metrics.registry.contentType };
    return httpExchange({ who, method, url, headers, timeoutMs, ...content }, scheduler).pipe(
      map((answer) => {
        const refusal = refusalOf(who, answer);
        if (refusal) throw refusal;
      }),
    );
  }

  private failed(thrown: unknown, retryInMs?: number): FleetError {
    const error = FleetError.from(thrown);
    this.tell({ type: 'failed', at: this.rules.scheduler.now(), error, retryInMs });
    return error;
  }

  private tell(event: PushEvent): void {
    try {
      this.rules.onEvent?.(event);
    } catch {
      // Who looks on cannot stop the pushing.
    }
  }
}
