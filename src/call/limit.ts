/** How many calls may run at once, learned from those that ran: what the algorithms have in common. */

import { requireOption } from '../core/requireOption.js';

/** A state machine: told of each call that ended, it says how many may run. It holds no timer. */
export interface Limit {
  /** Calls that may run at once; a whole number of at least 1. */
  readonly limit: number;
  onSample(sample: LimitSample): void;
}

/** One call that ended. The object is used again for the next one: read it, and do not keep it. */
export interface LimitSample {
  /** How long it took, in milliseconds. */
  readonly latencyMs: number;
  /** Calls that ran when it ended, itself included. */
  readonly inFlight: number;
  /** True when it was too much for the node: a timeout, a refusal. Then its latency says nothing. */
  readonly dropped: boolean;
  /** When it ended, on the stopwatch by which latencies are measured. */
  readonly now: number;
}

export interface LimitPorts {
  readonly random: () => number;
}

/** Makes a limit that has learned nothing yet: one for the client, or one for each node or key. */
export type LimitAlgorithm = (ports: LimitPorts) => Limit;

/** Between what an adaptive limit moves. */
export interface LimitBounds {
  /** The lowest limit. */
  readonly min: number;
  /** The highest limit. */
  readonly max: number;
  /** The first limit. */
  readonly initial: number;
}

/**
 * Refuses senseless bounds.
 *
 * @throws FleetError `INVALID_OPTION`, naming the field of `owner`.
 */
export function requireBounds(owner: string, { min, max, initial }: LimitBounds): void {
  requireOption(Number.isInteger(min) && min >= 1, `${owner}.min`, 'a whole number from 1', min);
  requireOption(Number.isInteger(max) && max >= min, `${owner}.max`, 'a whole number of at least min', max);
  const between = Number.isInteger(initial) && initial >= min && initial <= max;
  requireOption(between, `${owner}.initial`, 'a whole number from min to max', initial);
}
