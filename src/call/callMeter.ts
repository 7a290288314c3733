/** What became of the calls, by method: counters that cost some additions a call, and are always right. */

import type { FleetErrorCode } from '../core/errorCodes.js';
import { LatencyWindow } from '../core/latencyWindow.js';
import { RateWindow } from '../core/rateWindow.js';
import type { AttemptReason } from './callEvent.js';

/** A percentile is looked up anew after so long, in milliseconds. */
const freshMs = 250;

/** The calls of one method; read it, only the pipeline writes it. */
export class MethodMeter {
  readonly name: string;
  /** Calls that run now. */
  inFlight = 0;
  /** Calls that are over, by how they ended for their user. */
  succeeded = 0;
  failed = 0;
  cancelled = 0;
  /** Sum of the latency of the successes, in milliseconds. */
  totalLatencyMs = 0;
  /** Further attempts, by their reason. */
  retries = 0;
  transparentRetries = 0;
  hedges = 0;
  resumes = 0;
  /** Of these, those that went to a node that had not failed the call. */
  failovers = 0;
  /** Further attempts that the budget did not allow. */
  refusals = 0;
  /** Failures by their code. */
  readonly codes = new Map<FleetErrorCode, number>();
  /** Latencies of the successes, and times to the first answer, of the last minute or two. */
  readonly latencies: LatencyWindow;
  readonly firstAnswers: LatencyWindow;
  /** Successes a second. */
  readonly rate: RateWindow;
  private fraction = NaN;
  private quantile: { readonly ms: number | undefined; readonly count: number } = { ms: undefined, count: 0 };
  private staleAt = 0;

  constructor(name: string, now: number) {
    this.name = name;
    this.latencies = new LatencyWindow(now);
    this.firstAnswers = new LatencyWindow(now);
    this.rate = new RateWindow(now);
  }

  /**
   * A call is over.
   *
   * @param firstMs milliseconds to its first answer; undefined when there was none.
   * @param now on the stopwatch.
   */
  ended(code: FleetErrorCode | 'OK', latencyMs: number, firstMs: number | undefined, now: number): void {
    this.inFlight--;
    if (firstMs !== undefined) this.firstAnswers.record(firstMs, now);
    if (code === 'OK') {
      this.succeeded++;
      this.totalLatencyMs += latencyMs;
      this.latencies.record(latencyMs, now);
      this.rate.count(now);
    } else {
      if (code === 'CANCELLED') this.cancelled++;
      else this.failed++;
      this.codes.set(code, (this.codes.get(code) ?? 0) + 1);
    }
  }

  /** The time to the first answer that this fraction of the calls did not exceed; looked up a few times a second. */
  firstAnswer(fraction: number, now: number): { readonly ms: number | undefined; readonly count: number } {
    if (fraction !== this.fraction || now >= this.staleAt) {
      this.fraction = fraction;
      this.staleAt = now + freshMs;
      this.quantile = { ms: this.firstAnswers.quantile(fraction, now), count: this.firstAnswers.count(now) };
    }
    return this.quantile;
  }
}

/** The meters of all methods. */
export class CallMeter {
  readonly methods = new Map<string, MethodMeter>();
  /** When it began, on the stopwatch. */
  readonly since: number;
  private readonly clock: () => number;
  /** Names come from callers: past this many, the rest share one. */
  private static readonly most = 1_000;

  constructor(clock: () => number) {
    this.clock = clock;
    this.since = clock();
  }

  of(name: string): MethodMeter {
    return this.methods.get(name) ?? this.admit(name);
  }

  /** Another attempt of a call of this method begins. */
  retried(name: string, reason: AttemptReason): void {
    const method = this.of(name);
    if (reason === 'retry') method.retries++;
    else if (reason === 'transparent') method.transparentRetries++;
    else if (reason === 'hedge') method.hedges++;
    else if (reason === 'resume') method.resumes++;
  }

  /** It goes to another node than those that failed it. */
  failedOver(name: string): void {
    this.of(name).failovers++;
  }

  /** The budget did not allow another attempt. */
  refused(name: string): void {
    this.of(name).refusals++;
  }

  firstAnswer(name: string, fraction: number): { readonly ms: number | undefined; readonly count: number } {
    return this.of(name).firstAnswer(fraction, this.clock());
  }

  private admit(name: string): MethodMeter {
    const known = this.methods.size < CallMeter.most ? name : '…';
    const method = this.methods.get(known) ?? new MethodMeter(known, this.clock());
    this.methods.set(known, method);
    return method;
  }
}
