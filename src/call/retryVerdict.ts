/**
 * Another try, on another node, before anything was said.
 *
 * Retries help against single failures and harm in an outage, so they are bounded four times: by the attempts of the
 * call, by its deadline, by what is safe to repeat, and by one budget for the whole client. Rules and names of gRFC A6,
 * but that headers alone do not commit a call: as long as no message has come, nothing was said.
 */

import { exponentialBackoff } from '../core/backoff.js';
import type { FleetErrorCode } from '../core/errorCodes.js';
import type { FleetError } from '../core/fleetError.js';
import { metadataText } from '../core/metadata.js';
import type { CallOptions } from './call.js';
import { isNonFatal } from './hedgeDelay.js';
import type { RetryOptions } from './retryOptions.js';

const defaultCodes: readonly FleetErrorCode[] = ['UNAVAILABLE'];

/**
 * Why a failed call was not tried again. `code`: another try would not mend it. `committed`: answers had been given
 * already. `unsafe`: the method is not idempotent, and the node may have done the work. `pushback`: the node asked for no more.
 */
export type RetryRefusal = 'off' | 'code' | 'committed' | 'unsafe' | 'attempts' | 'deadline' | 'budget' | 'pushback';

/** What has become of a call so far, as far as it matters for another try. */
export interface RetrySituation {
  readonly retry: RetryOptions | false | undefined;
  readonly failover: boolean | undefined;
  /** True when running it twice does no harm. */
  readonly idempotent: boolean;
  /** Attempts that count, the failed one included. */
  readonly counted: number;
  /** Of those, the ones up to the last after which a node said how long to wait: the back-off begins anew then (gRFC A6). */
  readonly askedFor: number;
  /** True when an attempt was repeated already because it never reached its node. */
  readonly transparentUsed: boolean;
  /** True for a failure that no node has told, see `isUntold`. */
  readonly untold: boolean;
  /** True when nobody was there for another try: those who were tried may come back in a moment. */
  readonly nobodyLeft: boolean;
}

/** Another try after `delayMs`, or why there is none. What it costs the budget is not looked at here. */
export type RetryVerdict =
  { readonly delayMs: number; readonly transparent: boolean; readonly pushback: boolean } | RetryRefusal;

/** Whether a call that failed before its first answer is tried again. */
export function retryVerdict(situation: RetrySituation, error: FleetError, random: () => number): RetryVerdict {
  const { retry, failover, counted, askedFor, nobodyLeft } = situation;
  if (retry === false || failover === false) return 'off';
  const { maxAttempts = 3, retryableCodes = defaultCodes } = retry ?? {};
  if (!nobodyLeft && !situation.untold && !retryableCodes.includes(error.code)) return 'code';
  if (!error.sent && !nobodyLeft && !situation.transparentUsed) {
    return { delayMs: 0, transparent: true, pushback: false };
  }
  if (counted >= maxAttempts) return 'attempts';
  const safe = nobodyLeft || !error.sent || situation.idempotent || failover === true;
  if (!safe) return 'unsafe';
  const pushback = pushbackOf(error);
  if (pushback === 'stop') return 'pushback';
  if (pushback !== undefined) return { delayMs: pushback, transparent: false, pushback: true };
  return { delayMs: exponentialBackoff(retry)(counted - askedFor, random), transparent: false, pushback: false };
}

/**
 * What the node says of another try: milliseconds to wait, or that there shall be none. gRFC A6:
 * `grpc-retry-pushback-ms`, of which anything but a number of at least 0 means no more.
 */
export function pushbackOf({ trailers }: FleetError): number | 'stop' | undefined {
  const text = trailers && metadataText(trailers, 'grpc-retry-pushback-ms');
  if (text === undefined) return undefined;
  return /^\d{1,9}$/.test(text) ? Number(text) : 'stop';
}

/**
 * True for a failure that no node has told: the request surely never left, or its node was silent for too long. Both are
 * `UNAVAILABLE`, and another try may mend them whatever the codes that nodes may fail with.
 */
export function isUntold({ sent, code }: FleetError, { silent }: { readonly silent: boolean }): boolean {
  return silent || (!sent && code === 'UNAVAILABLE');
}

/**
 * True for a failure that counts against a throttle (gRFC A6): one that another try or copy may mend, or a node that wants
 * none.
 */
export function costsTokens(error: FleetError, { retry, hedge }: CallOptions): boolean {
  const codes = (retry || undefined)?.retryableCodes ?? defaultCodes;
  if (codes.includes(error.code) || pushbackOf(error) === 'stop') return true;
  return hedge ? isNonFatal(hedge, error.code) : false;
}
