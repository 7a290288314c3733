/** What a run was like, in a few numbers. */

import type { Course } from './incidents.js';
import type { Report, Second } from './simulate.js';

/** Of the calm before, of the incident, and of what came after. */
export interface Phases {
  readonly before: number;
  readonly during: number;
  readonly after: number;
}

export interface Figures {
  /** Attempts on the busiest node, as a multiple of the average one. */
  readonly skew: Phases;
  /** Calls that failed for their caller, in percent. */
  readonly errors: Phases;
  /** Calls that failed for their caller, from the beginning of the incident on. */
  readonly failed: number;
  /** The latency that 99 of 100 answered calls did not exceed, in milliseconds. */
  readonly p99: Phases;
  /** Attempts for each call, and that of the worst second of the incident. */
  readonly amplification: Phases & { readonly worst: number };
  /** Seconds from the beginning of the incident until all was as before although it went on; `Infinity`: it never was. */
  readonly relief: number;
  /** Seconds from the end of the incident until all was as before; `Infinity`: it was not by the end of the run. */
  readonly recovery: number;
  /**
   * How much the attempts on each node vary from second to second while nothing is wrong, as a multiple of what they would if
   * each were drawn by chance (the variance of a multinomial): 0 for a strict turn, 1 for a draw, more where shares swing.
   */
  readonly swing: { readonly before: number; readonly after: number };
  /** Times that a node was taken out or a breaker opened; and those of them in which nothing was wrong with the node. */
  readonly takenOut: number;
  readonly wronged: number;
}

/** Seconds at the start that count for nothing: everything is new. */
const warmUp = 5;
/** Seconds in a row that must be good. */
const steady = 5;
/** Seconds before the end that are calm whatever has been. */
const lastCalm = 15;

export function figuresOf({ seconds, takenOut }: Report, { from, until }: Course): Figures {
  const begins = from / 1_000;
  const ends = until / 1_000;
  const before = seconds.slice(warmUp, begins);
  const during = seconds.slice(begins, ends);
  const after = seconds.slice(ends);
  const phases = (of: (seconds: readonly Second[]) => number): Phases => {
    return { before: of(before), during: of(during), after: of(after) };
  };
  const good = goodAsIn(before);
  return {
    skew: phases(skew),
    errors: phases(errors),
    failed: sum([...during, ...after], (second) => second.errors),
    p99: phases(p99),
    amplification: { ...phases(amplification), worst: Math.max(...during.map((second) => amplification([second]))) },
    relief: secondsUntil(good, during),
    recovery: secondsUntil(good, after),
    swing: { before: swing(before), after: swing(seconds.slice(-lastCalm)) },
    takenOut: takenOut.length,
    wronged: takenOut.filter(({ sound }) => sound).length,
  };
}

function sum(seconds: readonly Second[], of: (second: Second) => number): number {
  return seconds.reduce((total, second) => total + of(second), 0);
}

function errors(seconds: readonly Second[]): number {
  return (
    (100 * sum(seconds, (second) => second.errors)) /
    Math.max(
      1,
      sum(seconds, ({ calls }) => calls),
    )
  );
}

function amplification(seconds: readonly Second[]): number {
  return (
    sum(seconds, ({ attempts }) => attempts) /
    Math.max(
      1,
      sum(seconds, ({ begun }) => begun),
    )
  );
}

function p99(seconds: readonly Second[]): number {
  const sorted = Float64Array.from(seconds.flatMap(({ latencies }) => latencies)).sort();
  return sorted[Math.ceil(0.99 * sorted.length) - 1] ?? 0;
}

function totals(seconds: readonly Second[]): number[] {
  return seconds[0]!.shares.map((_, node) => sum(seconds, ({ shares }) => shares[node]!));
}

function skew(seconds: readonly Second[]): number {
  const shares = totals(seconds);
  const all = shares.reduce((total, share) => total + share, 0);
  return (Math.max(...shares) * shares.length) / Math.max(1, all);
}

function swing(seconds: readonly Second[]): number {
  const shares = totals(seconds);
  const all = shares.reduce((total, share) => total + share, 0);
  if (shares.length < 2) return 0;
  let squares = 0;
  let busy = 0;
  for (const second of seconds) {
    shares.forEach((share, node) => {
      const expected = (share / all) * second.attempts;
      if (expected > 0) squares += (second.shares[node]! - expected) ** 2 / expected;
    });
    if (second.attempts > 0) busy++;
  }
  // Where one node has all of them nothing varies.
  const used = shares.filter((share) => share > 0).length;
  return squares / Math.max(1, (busy - 1) * (used - 1));
}

/** As good as before: hardly more errors, and a tail that is hardly longer than in the worst second of then. */
function goodAsIn(before: readonly Second[]): (second: Second) => boolean {
  const mostErrors = errors(before) + 1;
  const longest = 1.5 * Math.max(...before.map((second) => p99([second])));
  return (second) => second.calls > 0 && errors([second]) <= mostErrors && p99([second]) <= longest;
}

function secondsUntil(good: (second: Second) => boolean, seconds: readonly Second[]): number {
  let inARow = 0;
  for (let i = 0; i < seconds.length; i++) {
    inARow = good(seconds[i]!) ? inARow + 1 : 0;
    if (inARow === steady) return i + 1 - steady;
  }
  return Infinity;
}
