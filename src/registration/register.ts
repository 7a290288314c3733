/** Announces a node in a registry, keeps it there, and tells the truth about it. */

import { asyncScheduler, isObservable, Observable, of, type SchedulerLike } from 'rxjs';
import { exponentialBackoff, type BackoffOptions } from '../core/backoff.js';
import { createNode, type NodeInit } from '../core/node.js';
import { requireOption } from '../core/requireOption.js';
import { Keeper } from './register/keeper.js';
import { requireRegistrable } from './register/requireRegistrable.js';
import type { Registration, RegistrationEvent } from './registration.js';
import type { Registry } from './registry.js';

export interface RegisterOptions {
  /**
   * Wait between two heartbeats, in milliseconds; must be below the life that the registry grants. Default: a third of
   * that life.
   */
  readonly heartbeatMs?: number;
  /**
   * Waits between tries that failed, of a put as of a heartbeat. Default 500 ms, doubling to 30 s, ± 20 %. A heartbeat
   * that failed is never tried later than the next one is due.
   */
  readonly backoff?: BackoffOptions;
  /** A put or an update with no answer by then, in milliseconds, has failed. Default 10,000. */
  readonly answerTimeoutMs?: number;
  /**
   * How long taking it out may go on in the background, in milliseconds. Default 5,000. Half of it is for what was
   * still unanswered, so that nothing sent before comes after and puts it in again.
   */
  readonly withdrawTimeoutMs?: number;
  /** When it emits, the node is taken out as by unsubscribing, but seen: `withdrawing`, then the end once it is out. */
  readonly withdraw$?: Observable<unknown>;
  /** Told of what failed without ending the registration, and of how the withdrawal went. */
  readonly onEvent?: (event: RegistrationEvent) => void;
  /** Default `asyncScheduler`. */
  readonly scheduler?: SchedulerLike;
  /** Default `Math.random`. */
  readonly random?: () => number;
}

/**
 * Registers a node for as long as it is subscribed to. Cold: each subscription is a registration of its own.
 *
 *     registry        -p--b--b--x           -p--     p = put, b = heartbeat answered, x = not known any more
 *     registration    rR--R--R--(lr)-       -R--     r = registering, R = registered, l = lost
 *
 * - Heartbeats are sent at a third of the life, by absolute time, so that they do not drift; one that fails is tried
 *   again with backoff. A second one may be sent while the first is unanswered.
 * - The deadline is the sending of the last heartbeat that was answered plus the life granted, and never later. Without
 *   an answer by then the registration is `lost` at once, as it is when the registry does not know it any more; then
 *   it is put in again, with backoff, until unsubscribed.
 * - Given an Observable, each new value is put in the place of the one before, without a gap: weight, tags, metadata,
 *   `availability: 'draining'`. A refused or senseless one is an error.
 * - Unsubscribing withdraws it; that goes on in the background for up to `withdrawTimeoutMs`, also when it was just
 *   being put in, so that no ghost remains.
 *
 * ```ts
 * const registration = register({ service: 'thumbnails', address: '10.0.0.7:50051', weight: 2 }, etcdRegistry())
 *   .subscribe(({ state, deadline }) => console.log(state, deadline));
 * registration.unsubscribe();
 * ```
 *
 * Errors, as a `FleetError`, only for what can never work: a senseless node or option, a registry that cannot register,
 * credentials refused at the first put. Whatever was registered is withdrawn then too.
 *
 * @throws FleetError `INVALID_OPTION` for a senseless option or node, naming the field.
 */
export function register(
  node: NodeInit | Observable<NodeInit>,
  registry: Registry,
  options: RegisterOptions = {},
): Observable<Registration> {
  const { heartbeatMs, answerTimeoutMs = 10_000, withdrawTimeoutMs = 5_000, withdraw$, onEvent } = options;
  const { scheduler = asyncScheduler, random = Math.random } = options;
  requireOption(heartbeatMs === undefined || heartbeatMs > 0, 'heartbeatMs', 'above 0', heartbeatMs);
  requireOption(answerTimeoutMs > 0, 'answerTimeoutMs', 'above 0', answerTimeoutMs);
  requireOption(withdrawTimeoutMs >= 0, 'withdrawTimeoutMs', 'at least 0', withdrawTimeoutMs);
  const backoff = exponentialBackoff({ initialBackoffMs: 500, maxBackoffMs: 30_000, ...options.backoff });
  if (!isObservable(node)) requireRegistrable(createNode(node));

  return new Observable((subscriber) => {
    const keeper = new Keeper(registry, subscriber, {
      ...{ heartbeatMs, backoff, answerTimeoutMs, withdrawTimeoutMs, onEvent, scheduler, random },
    });
    subscriber.add(keeper);
    keeper.follow(isObservable(node) ? node : of(node), withdraw$);
  });
}
