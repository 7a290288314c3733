/** What can be put around every call. */

import type { Observable } from 'rxjs';
import type { Call } from './call.js';

/** Runs a call. Cold: each subscription runs it. */
export type Handler<C> = <R>(call: Call<C, R>) => Observable<R>;

/**
 * Wraps a handler: may change what goes in, what comes out, when, and whether at all. Works the same for calls with
 * one answer and for streams.
 *
 * The built-in order, outermost first: recover → the user's own (first in the array outermost) → deadline → retry and failover
 * → [ pick → attempt → transport ].
 */
export type Middleware<C = unknown> = (next: Handler<C>) => Handler<C>;

/** A middleware that does not care what the connections are. */
export type AnyMiddleware = <C>(next: Handler<C>) => Handler<C>;

/** The handler with every middleware around it, the first outermost. */
export function compose<C>(middlewares: readonly Middleware<C>[], handler: Handler<C>): Handler<C> {
  return middlewares.reduceRight<Handler<C>>((next, middleware) => middleware(next), handler);
}
