/** A node with so many workers and a queue before them, and a client that keeps to a limit: M/M/c, on a clock of its own. */

import type { Limit } from '../../src/call/limit.js';
import { seededRandom } from '../../src/testing/seededRandom.js';

export interface Load {
  /** Calls that the node works on at once; may change with time. */
  readonly workers: (at: number) => number;
  /** How long one takes, on average; the times are exponentially distributed. */
  readonly serviceMs: number;
  /** Calls that come each millisecond, at random. */
  readonly perMs: (at: number) => number;
  /** Calls that may wait at the node; it refuses others at once. Default: all. */
  readonly queue?: number;
  /** After how long a call counts as dropped, though the node goes on with it. Default: never. */
  readonly deadlineMs?: number;
  readonly untilMs: number;
  readonly seed?: number;
}

/** What a second of it looked like. */
export interface Second {
  readonly at: number;
  readonly limit: number;
  readonly finished: number;
  readonly dropped: number;
  readonly averageMs: number;
}

interface Job {
  readonly since: number;
  readonly workMs: number;
  endsAt: number;
}

/** Runs it; calls beyond the limit are turned away by the client. */
export function runQueueingServer(limit: Limit, load: Load): Second[] {
  const { workers, serviceMs, perMs, queue = Infinity, deadlineMs = Infinity, untilMs, seed = 1 } = load;
  const random = seededRandom(seed);
  const exponential = (mean: number) => -Math.log(1 - random()) * mean;
  const seconds: Second[] = [];
  const busy: Job[] = [];
  const waiting: Job[] = [];
  const refusals: number[] = [];
  let inFlight = 0;
  let now = 0;
  let arrival = exponential(1 / perMs(0));
  let second = { finished: 0, dropped: 0, sumMs: 0 };
  let secondEnd = 1_000;

  const ended = (since: number, dropped: boolean) => {
    const latencyMs = now - since;
    limit.onSample({ latencyMs, inFlight, dropped, now });
    inFlight--;
    if (dropped) second.dropped++;
    else {
      second.finished++;
      second.sumMs += latencyMs;
    }
  };
  const work = () => {
    while (waiting.length > 0 && busy.length < workers(now)) {
      const job = waiting.shift()!;
      job.endsAt = now + job.workMs;
      busy.push(job);
    }
  };

  while (now < untilMs) {
    let next: Job | undefined;
    for (const job of busy) if (next === undefined || job.endsAt < next.endsAt) next = job;
    const refusal = refusals[0] ?? Infinity;
    const at = Math.min(arrival, next?.endsAt ?? Infinity, refusal, secondEnd);
    now = at;
    if (at === secondEnd) {
      const { finished, dropped, sumMs } = second;
      seconds.push({ at, limit: limit.limit, finished, dropped, averageMs: sumMs / Math.max(1, finished) });
      second = { finished: 0, dropped: 0, sumMs: 0 };
      secondEnd += 1_000;
    } else if (at === refusal) {
      ended(refusals.shift()! - 1, true);
    } else if (at === next?.endsAt) {
      busy.splice(busy.indexOf(next), 1);
      ended(next.since, now - next.since > deadlineMs);
      work();
    } else {
      arrival = now + exponential(1 / perMs(now));
      if (inFlight >= limit.limit) continue;
      inFlight++;
      // A refusal takes a millisecond.
      if (busy.length >= workers(now) && waiting.length >= queue) refusals.push(now + 1);
      else waiting.push({ since: now, workMs: exponential(serviceMs), endsAt: Infinity });
      work();
    }
  }
  return seconds;
}

export interface Summary {
  readonly limit: { readonly median: number; readonly p5: number; readonly p95: number };
  /** How far the limit swings, as a part of it. */
  readonly swing: number;
  /** Finished calls, as a part of what the node can. */
  readonly use: number;
  /** Latency, as a multiple of the time that a call takes by itself. */
  readonly slowdown: number;
  /** Dropped calls, as a part of those that were sent. */
  readonly dropped: number;
}

/** Of the seconds in an interval. */
export function summaryOf(seconds: readonly Second[], from: number, to: number, load: Load): Summary {
  const part = seconds.filter(({ at }) => at > from && at <= to);
  const limits = part.map(({ limit }) => limit).sort((a, b) => a - b);
  const quantile = (q: number) => limits[Math.min(limits.length - 1, Math.floor(q * limits.length))]!;
  const sum = (of: (second: Second) => number) => part.reduce((total, second) => total + of(second), 0);
  const [p5, median, p95] = [quantile(0.05), quantile(0.5), quantile(0.95)];
  const capacity = (load.workers(from + 1) * (to - from)) / load.serviceMs;
  const finished = sum((second) => second.finished);
  const dropped = sum((second) => second.dropped);
  return {
    limit: { median, p5, p95 },
    swing: (p95 - p5) / median,
    use: finished / capacity,
    slowdown: sum((second) => second.averageMs * second.finished) / finished / load.serviceMs,
    dropped: dropped / (dropped + finished),
  };
}
