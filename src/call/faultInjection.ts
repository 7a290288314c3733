/**
 * Faults on purpose: calls that are slow, and calls that fail, by chance.
 *
 * What a client does when nodes fail is seen when they do, and better on a day of one's own choice. Around calls it shows
 * what users of the client see; around attempts (`perAttempt`) what the client makes of it: retries, breakers, ejections.
 * Rules of gRFC A33 and Envoy's fault filter; see also Simmy of Polly.
 */

import { asyncScheduler, defer, finalize, mergeMap, Observable, throwError, timer, type SchedulerLike } from 'rxjs';
import { errorCodes, type FleetErrorCode } from '../core/errorCodes.js';
import { FleetError } from '../core/fleetError.js';
import type { Node } from '../core/node.js';
import { requireDuration } from '../core/requireDuration.js';
import { requireOption } from '../core/requireOption.js';
import type { AnyAttemptMiddleware, AnyMiddleware } from './middleware.js';

export interface FaultInjectionOptions {
  /** Waits before it goes on. */
  readonly delay?: {
    /** From 0 to twelve days (2^30). */
    readonly ms: number;
    /** Spread evenly over ± this fraction, from 0 to 1. Default 0. */
    readonly jitter?: number;
    /** The share that is delayed, from 0 to 1. */
    readonly ratio: number;
  };
  /** Fails instead of going on, after the delay if there is one. */
  readonly abort?: {
    readonly code: FleetErrorCode;
    /** The share that fails, from 0 to 1. */
    readonly ratio: number;
    /** Default: says that it was made on purpose. */
    readonly message?: string;
    /** Whether it fails as if the node had got it. Default true; false lets any method be repeated. */
    readonly sent?: boolean;
  };
  /** Which ones may be hit: by the name of the call, and around attempts by the node. Default: all. */
  readonly match?: (name: string, node: Node | undefined) => boolean;
  /** So many are delayed at once at most. Default: no limit. Envoy: `max_active_faults`. */
  readonly maxActive?: number;
  /** Asked for each; false lets it pass. Default: always on. */
  readonly enabled?: () => boolean;
  /** Default `asyncScheduler`. */
  readonly scheduler?: SchedulerLike;
  /** Default `Math.random`. */
  readonly random?: () => number;
}

/** Goes around calls as it is, and around attempts within `perAttempt`. */
export type FaultInjection = AnyMiddleware & AnyAttemptMiddleware;

/**
 * Delays and fails calls, or attempts, by chance.
 *
 *     next           -a|        -a|        -a|
 *     chance         hit        missed     hit
 *     delay 2        ---a|      -a|        ---a|
 *
 * ```ts
 * createFleet({ …, use: [perAttempt(faultInjection({ abort: { code: 'UNAVAILABLE', ratio: 0.1 } }))] });
 * ```
 *
 * @throws FleetError `INVALID_OPTION` for a ratio or jitter outside 0 to 1, a wait that no timer can keep or an unknown code.
 */
export function faultInjection(options: FaultInjectionOptions): FaultInjection {
  const { delay, abort, match, enabled, maxActive = Infinity } = options;
  const { scheduler = asyncScheduler, random = Math.random } = options;
  check(options);
  let active = 0;

  const around = (next: (subject: object) => Observable<unknown>) => (subject: object) =>
    defer(() => {
      const { name, node } = described(subject);
      if ((enabled && !enabled()) || (match && !match(name, node))) return next(subject);
      const failing = abort && random() < abort.ratio ? abort : undefined;
      const goOn = () => (failing ? throwError(() => fault(failing, name)) : next(subject));
      if (!delay || active >= maxActive || random() >= delay.ratio) return goOn();
      const { ms, jitter = 0 } = delay;
      active++;
      let waiting = true;
      const passed = () => {
        if (waiting) active--;
        waiting = false;
      };
      return timer(ms * (1 - jitter + 2 * jitter * random()), scheduler).pipe(
        mergeMap(() => {
          passed();
          return goOn();
        }),
        finalize(passed),
      );
    });
  return around as FaultInjection;
}

/** A call, or an attempt with its call. */
function described(subject: object): { name: string; node: Node | undefined } {
  const { name, node, call } = subject as { name?: string; node?: Node; call?: { name: string } };
  // A call knows the id of its node, an attempt the node itself.
  return call ? { name: call.name, node } : { name: name!, node: undefined };
}

function fault({ code, message, sent = true }: NonNullable<FaultInjectionOptions['abort']>, name: string): FleetError {
  return new FleetError(code, message ?? `${name} was made to fail on purpose (faultInjection)`, { sent });
}

function check({ delay, abort, maxActive = Infinity }: FaultInjectionOptions): void {
  const isShare = (share: number) => share >= 0 && share <= 1;
  requireOption(maxActive >= 1, 'faultInjection.maxActive', 'at least 1', maxActive);
  if (delay) {
    const { ms, ratio, jitter = 0 } = delay;
    requireDuration('faultInjection.delay.ms', ms, 0);
    requireOption(isShare(ratio), 'faultInjection.delay.ratio', 'from 0 to 1', ratio);
    requireOption(isShare(jitter), 'faultInjection.delay.jitter', 'from 0 to 1', jitter);
  }
  if (abort) {
    const { code, ratio } = abort;
    requireOption(Object.hasOwn(errorCodes, code), 'faultInjection.abort.code', 'a code of FleetError', code);
    requireOption(isShare(ratio), 'faultInjection.abort.ratio', 'from 0 to 1', ratio);
  }
}
