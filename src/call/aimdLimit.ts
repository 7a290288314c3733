/**
 * A limit that grows until calls are dropped, and then steps back: for clients, of which each sees its own calls alone.
 *
 * It looks at nothing but timeouts and refusals, so it needs no idea of what latency is right, and clients that share a node
 * come to equal shares (D.-M. Chiu and R. Jain, 1989). It is what Netflix' concurrency-limits advises for clients. It fills
 * the queue of a node before it knows that there is one: where nodes queue without end and refuse nobody, give calls deadlines,
 * or use `vegasLimit` or `gradientLimit`.
 *
 * As in TCP's congestion avoidance (RFC 5681), and unlike concurrency-limits: it grows by one for each round of as many calls
 * as it allows, rather than by one for each call, after a start that doubles each round until the first drop; and it steps back
 * once for all the drops of a round, rather than once for each, since they tell the same thing. The back-off ratio of 0.9 is
 * that of concurrency-limits.
 */

import { requireOption } from '../core/requireOption.js';
import { requireBounds, type Limit, type LimitAlgorithm, type LimitBounds, type LimitSample } from './limit.js';

export interface AimdLimitOptions {
  /** The first limit. Default 10, within `min` and `max`. */
  readonly initial?: number;
  /** Default 1. */
  readonly min?: number;
  /** Default 1,000. */
  readonly max?: number;
  /** What is left of the limit after a drop; from 0.5 and below 1. Default 0.9. */
  readonly backoffRatio?: number;
  /** A call that took longer counts as dropped, in milliseconds. Default: none does. concurrency-limits: `timeout`, 5 s. */
  readonly timeoutMs?: number;
}

/**
 * Additive increase, multiplicative decrease.
 *
 *     limit   10 -- 11 -- 12 -x- 10.8 -- 11.8     x: a round with drops
 *
 * @throws FleetError `INVALID_OPTION`, naming the field.
 */
export function aimdLimit(options: AimdLimitOptions = {}): LimitAlgorithm {
  const { min = 1, max = 1_000, backoffRatio = 0.9, timeoutMs = Infinity } = options;
  const { initial = Math.min(Math.max(10, min), max) } = options;
  requireBounds('aimdLimit', { min, max, initial });
  requireOption(backoffRatio >= 0.5 && backoffRatio < 1, 'aimdLimit.backoffRatio', 'from 0.5 to below 1', backoffRatio);
  requireOption(timeoutMs > 0, 'aimdLimit.timeoutMs', 'above 0', timeoutMs);
  return () => new Aimd({ min, max, initial }, backoffRatio, timeoutMs);
}

class Aimd implements Limit {
  private readonly bounds: LimitBounds;
  private readonly backoffRatio: number;
  private readonly timeoutMs: number;
  private estimate: number;
  /** Nothing was dropped yet. */
  private starting = true;
  /** When it last stepped back: drops of calls from before are known already. */
  private backedOffAt = -Infinity;

  constructor(bounds: LimitBounds, backoffRatio: number, timeoutMs: number) {
    this.bounds = bounds;
    this.backoffRatio = backoffRatio;
    this.timeoutMs = timeoutMs;
    this.estimate = bounds.initial;
  }

  get limit(): number {
    return Math.floor(this.estimate);
  }

  onSample({ latencyMs, inFlight, dropped, now }: LimitSample): void {
    const { min, max } = this.bounds;
    if (dropped || latencyMs > this.timeoutMs) {
      if (now - latencyMs < this.backedOffAt) return;
      this.starting = false;
      this.backedOffAt = now;
      this.estimate = Math.max(min, Math.min(this.estimate * this.backoffRatio, this.estimate - 1));
      return;
    }
    // Who does not use what there is learns nothing of what there could be.
    if (inFlight * 2 < this.estimate) return;
    this.estimate = Math.min(max, this.estimate + (this.starting ? 1 : 1 / this.estimate));
  }
}
