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
   * How much the share of each node varies from second to second while nothing is wrong, beside an even rise or fall, as a multiple
   * of what it would if each attempt were drawn by chance (the variance of a multinomial): 0 for a strict turn, 1 for a draw, more
   * where shares swing.
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

/** What is left of the variance when each share may have risen or fallen evenly meanwhile: that is no swing. */
function swing(seconds: readonly Second[]): number {
  const busy = seconds.filter(({ attempts }) => attempts > 0);
  const nodes =
    busy[0]?.shares.map((_, node) => node).filter((node) => busy.some(({ shares }) => shares[node]! > 0)) ?? [];
  const freedom = (nodes.length - 1) * (busy.length - 2);
  if (freedom <= 0) return 0;
  let squares = 0;
  for (const node of nodes) {
    const parts = busy.map(({ shares, attempts }) => shares[node]! / attempts);
    const line = fittedTo(parts);
    parts.forEach((part, i) => {
      const expected = Math.max(1e-3, line(i));
      squares += (busy[i]!.attempts * (part - expected) ** 2) / expected;
    });
  }
  return squares / freedom;
}

/** The straight line through values of one second each that is nearest to them. */
function fittedTo(values: readonly number[]): (at: number) => number {
  const middle = (values.length - 1) / 2;
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const rise = values.reduce((sum, value, i) => sum + (i - middle) * (value - mean), 0);
  const run = values.reduce((sum, _, i) => sum + (i - middle) ** 2, 0);
  return (at) => mean + (rise / run) * (at - middle);
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
