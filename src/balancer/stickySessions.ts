/**
 * Each session on one node, wherever the balancer put it: for state that lives in the nodes and is dear to move.
 *
 * A hash of the key (`consistentHash`) needs no memory and agrees among clients, but it places a key without looking at
 * the load, and moves keys whenever nodes come. Here the balancer within places each new key by its own lights, on the
 * least loaded node say, and the key stays there for as long as the node can take its calls: new nodes get new sessions
 * only, and a rolling restart moves each session when its own node goes. The price is memory, and that the place is known
 * to this client alone: another, or this one after a restart, may put the same key elsewhere. Where that matters, hash.
 */

import { asyncScheduler, defer, map, type SchedulerLike } from 'rxjs';
import { requireOption } from '../core/requireOption.js';
import { stopwatchOf } from '../core/stopwatch.js';
import { leastLoaded } from './leastLoaded.js';
import type { Balancer } from './picker.js';
import { SessionPicker } from './stickySessions/sessionPicker.js';
import { SessionTable } from './stickySessions/sessionTable.js';
import { withTraits } from './strategy.js';

export interface StickySessionsOptions {
  /** What places new sessions, and picks for calls without a key. Default `leastLoaded()`. */
  readonly balancer?: Balancer;
  /** Past this many the session that was used longest ago is forgotten. Default 10,000, of some 200 bytes each. */
  readonly maxSessions?: number;
  /**
   * A session without a call in flight for this long is over, in milliseconds; the next call with its key is placed anew.
   * Default 1,800,000 (30 minutes).
   */
  readonly idleMs?: number;
  /** Default `asyncScheduler`. Only its clock is used. */
  readonly scheduler?: SchedulerLike;
}

/**
 * Keeps calls with equal keys on the node that a balancer chose for the first of them.
 *
 * A session leaves its node when that can take no more calls (it went, is down, ejected or draining); then the balancer
 * within places it anew, and it does not come back. A call that may not go to its node (it failed there, or a breaker is
 * open) goes elsewhere, and the session follows once it is answered there; one that is hedged stays with whoever is
 * first. Calls that require what the node of their session does not offer have a session of their own, by key and
 * requirement. Calls without a key go straight to the balancer within.
 *
 *     nodes$       a------b-------|      a = x y   b = x y z (x takes no more calls)
 *     pick(k)      -klkl---klkl---|
 *     picked       -xyxy---zyzy---|      l stays, k is placed anew
 *
 * Account: the strategy is `sticky_sessions (kept by its session)`, `(new session)`, `(moved from x)` or, of a call
 * that may not go to its node, `(away from x)`.
 *
 * gRPC and Envoy: `stateful_session` (gRFC A55) keeps the node in a cookie, or a header, that the server's side hands to the
 * application; it outlives the client, and goes as the application passes it on. Here it stays in the client and goes by
 * the key of the call. As there, a node that takes no new calls loses its sessions; A55 can be told to keep them while it
 * drains, and waits for a node that is being dialled again, where here the session moves.
 *
 * @throws FleetError `INVALID_OPTION` for a number of sessions that is not whole or not over 0, or a time not over 0.
 */
export function stickySessions(options: StickySessionsOptions = {}): Balancer {
  const { balancer = leastLoaded(), maxSessions = 10_000, idleMs = 1_800_000, scheduler = asyncScheduler } = options;
  requireOption(Number.isInteger(maxSessions) && maxSessions >= 1, 'maxSessions', 'a whole number over 0', maxSessions);
  requireOption(idleMs > 0, 'idleMs', 'a time over 0', idleMs);
  const { name = 'custom', weighted = true } = balancer.traits ?? {};
  return withTraits({ name: `sticky_sessions: ${name}`, weighted, keyed: true }, (set$, ports) =>
    defer(() => {
      const sessions = new SessionTable(maxSessions, idleMs, stopwatchOf(scheduler));
      return balancer(set$, ports).pipe(map((inner) => new SessionPicker(inner, name, sessions)));
    }),
  );
}
