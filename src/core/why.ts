/** The account of one pick: who could have taken the call, and what kept the others from it. */

/**
 * What keeps a node from a call.
 *
 * - `unavailable`, `connecting`, `draining`: it cannot be reached, not yet, or takes nothing new.
 * - `pending`, `incompatible`: not asked yet what it speaks, or it does not speak our protocol.
 * - `notServing`: a health check or the registry says so.
 * - `ejected`, `cooling`, `circuitOpen`: taken out for its failures, by a detector, a cooldown or a circuit breaker.
 * - `lacks`: it does not offer what the call requires, such as a task.
 * - `limited`: it has as many calls as its limit lets it have.
 * - `tried`: this call failed on it already.
 * - `weightless`: its weight is 0.
 * - `elsewhere`: another group, zone, priority or subset.
 */
export type Obstacle =
  | 'unavailable'
  | 'connecting'
  | 'draining'
  | 'pending'
  | 'incompatible'
  | 'notServing'
  | 'ejected'
  | 'cooling'
  | 'circuitOpen'
  | 'lacks'
  | 'limited'
  | 'tried'
  | 'weightless'
  | 'elsewhere';

/** What keeps one node from a call, as a word and in a sentence. */
export interface Refusal {
  readonly obstacle: Obstacle;
  readonly reason: string;
}

/** A node that was left out. */
export interface LeftOut extends Refusal {
  /** The id of the node. */
  readonly node: string;
}

/** A node that could have taken the call. */
export interface Candidate {
  /** The id of the node. */
  readonly node: string;
  /** What the strategy compares, as it stands when the account is read; the strategy says whether more or less is better. */
  readonly score?: number;
}

/** Why a call went where it went. */
export interface Why {
  /** The strategy, by its gRPC name where it has one. */
  readonly strategy: string;
  readonly candidates: readonly Candidate[];
  readonly leftOut: readonly LeftOut[];
}
