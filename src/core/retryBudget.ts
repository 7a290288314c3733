/**
 * How many retries a client may spend.
 *
 * A maximum of attempts per call does not protect a fleet: when everything fails, every call is multiplied by it.
 * A budget ties the retries to the calls that are made: each call pays in a fraction of a retry, each retry takes
 * one out, and a small allowance a second keeps a quiet client able to retry at all. One budget is shared by retry,
 * hedging and failover.
 *
 * What is not spent is saved for a while, for the moment in which a node dies with many calls on it. In an outage of all nodes
 * such savings do harm: they would be spent in its first second, with twice as many retries as calls, and again each time that
 * this second has been forgotten. So while retries come to nothing no savings are spent: there is one retry for each `1 / ratio`
 * calls, or for each `1 / minPerSecond` seconds where those come first. In a total outage the load on the fleet is then 1 + ratio
 * times the calls in each second, and not only on average.
 *
 * The algorithm and its defaults (20 %, 10 a second, 10 s) are those of Finagle's RetryBudget and tower's TpsBudget; that savings
 * are not spent in vain is ours.
 */

import { asyncScheduler, type SchedulerLike } from 'rxjs';
import { requireOption } from './requireOption.js';

export interface RetryBudgetOptions {
  /** Retries allowed per call. Default 0.2. */
  readonly ratio?: number;
  /** Retries allowed every second whatever the calls. Default 10. */
  readonly minPerSecond?: number;
  /** How long a deposit counts, in milliseconds. Default 10,000. */
  readonly ttlMs?: number;
  readonly scheduler?: SchedulerLike;
}

/** See the top of this file. */
export interface RetryBudget {
  /** One call was made: now, or `at` milliseconds since the epoch where the caller has just looked. */
  deposit(at?: number): void;
  /** Takes one retry out; false when none is left. */
  withdraw(): boolean;
  /** Gives back what was just taken: the retry was not made. */
  putBack(): void;
  /**
   * Told of each attempt that ended, by budgets that go by it; `ok` is false for failures that another attempt may mend, and
   * undefined for those that none may.
   */
  ended?(ok: boolean | undefined): void;
  /** Told of each retry that came to nothing: another one might have mended it, or its call ran out of time. */
  wasted?(): void;
  /** How many copies of slow calls may be without an answer at a time, of so many calls in flight. */
  copiesAtOnce(calls: number): number;
  /** Retries left now. */
  readonly balance: number;
}

const slots = 10;
/** A hair of tolerance, since 5 × 0.2 need not be 1 in binary. */
const hair = 1e-9;
/** What each retry in vain counts, and each answer; and what they must come to until savings are kept. */
const part = 1 / 16;
const inVain = 2 / 3;

/**
 * A budget over a sliding window of ten slots.
 *
 * @throws FleetError `INVALID_OPTION` for a negative ratio or rate, or a window under 10 ms.
 */
export function retryBudget(options: RetryBudgetOptions = {}): RetryBudget {
  const { ratio = 0.2, minPerSecond = 10, ttlMs = 10_000, scheduler = asyncScheduler } = options;
  requireOption(ratio >= 0, 'retryBudget.ratio', 'at least 0', ratio);
  requireOption(minPerSecond >= 0, 'retryBudget.minPerSecond', 'at least 0', minPerSecond);
  requireOption(ttlMs >= slots && ttlMs < Infinity, 'retryBudget.ttlMs', `at least ${slots} and finite`, ttlMs);

  const slotMs = ttlMs / slots;
  const reserve = (minPerSecond * ttlMs) / 1_000;
  const calls = new Float64Array(slots);
  const retries = new Float64Array(slots);
  let slot = Math.floor(scheduler.now() / slotMs);
  /** How many retries came to nothing of late, for each of them or answer. */
  let lost = 0;
  /**
   * What calls have paid in since the last retry, as far as one is allowed for it while retries are in vain. Below 0 as far as more
   * were spent than the calls of a while pay for, which are made up for then.
   */
  let paid = 0;
  const mostPaid = Math.max(1, ratio);
  /** When the allowance gives the next one then. */
  const gapMs = 1_000 / minPerSecond;
  let givenAt = 0;

  const advance = (at: number): number => {
    const now = Math.floor(at / slotMs);
    // A clock that went back keeps the window as it is.
    for (let left = Math.min(now - slot, slots); left > 0; left--) {
      const index = (now - left + 1) % slots;
      calls[index] = 0;
      retries[index] = 0;
    }
    if (now > slot) slot = now;
    return slot % slots;
  };
  const balance = (): number => {
    let deposits = 0;
    let spent = 0;
    for (let i = 0; i < slots; i++) {
      deposits += calls[i]!;
      spent += retries[i]!;
    }
    return reserve + deposits * ratio - spent;
  };
  const isDue = (at: number): boolean => {
    if (givenAt - at > gapMs) givenAt = at;
    return paid >= 1 - hair || at >= givenAt;
  };

  return {
    deposit(at = scheduler.now()) {
      calls[advance(at)]!++;
      paid = Math.min(mostPaid, paid + ratio);
    },
    withdraw() {
      const now = scheduler.now();
      const index = advance(now);
      if (balance() < 1 - hair || (lost > inVain && !isDue(now))) return false;
      retries[index]!++;
      paid = Math.max(paid - 1, -ratio * (calls[index]! + calls[(index + slots - 1) % slots]!));
      givenAt = now + gapMs;
      return true;
    },
    putBack() {
      const index = advance(scheduler.now());
      retries[index] = Math.max(0, retries[index]! - 1);
      paid = Math.min(mostPaid, paid + 1);
    },
    ended(ok) {
      // A node that finds fault with a request is there, and answers.
      if (ok !== false) lost -= part * lost;
    },
    wasted() {
      lost += part * (1 - lost);
    },
    copiesAtOnce: (inFlight) => minPerSecond + ratio * inFlight,
    get balance() {
      const now = scheduler.now();
      advance(now);
      const saved = balance();
      return lost > inVain ? Math.min(saved, isDue(now) ? mostPaid : 0) : saved;
    },
  };
}
