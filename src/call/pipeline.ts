/**
 * What happens around one call, and in which order: the one place where it is written down.
 *
 *     account, errors    every call is counted once, as its user sees it; whatever is thrown becomes a FleetError
 *     deadline           covers everything below, a middleware that never calls on included
 *     middlewares        of `use`, the first outermost: trace, log, credentials, a cache
 *     gates              rate limit, concurrency limit: in the order of `use`, once a call
 *     retry, failover,   one budget for all three; after the first answer only a `resume` strategy goes on
 *     hedging
 *       pick             the balancer, among those who are routable
 *       node gates       circuit breaker, limits of single nodes: one that is shut sends the pick on
 *       middlewares      of `use`, made by `perAttempt`
 *       transport
 *
 * Unary calls and every kind of stream go the same way.
 */

import { Observable, type Subscriber } from 'rxjs';
import type { Call } from './call.js';
import { CallRun } from './callRun.js';
import type { Handler } from './middleware.js';
import type { PipelinePorts } from './pipelinePorts.js';

/** Gates, retry, hedging, picks and attempts, for middlewares to be put around. Each subscription runs the call. */
export function pipeline<C>(ports: PipelinePorts<C>): Handler<C> {
  return <R>(call: Call<C, R>) =>
    new Observable<R>((subscriber: Subscriber<R>) => {
      const run = new CallRun(call, ports, subscriber, ports.clock());
      // First, since whoever takes an answer may leave within the start.
      subscriber.add(run);
      run.begin();
    });
}
