/** Nodes that a Lumen host broker lists: over its WebSocket, or by asking now and then. */

import { asyncScheduler, catchError, type Observable } from 'rxjs';
import type { BackoffOptions } from '../core/backoff.js';
import { FleetError } from '../core/fleetError.js';
import type { NodeSet } from '../core/nodeSet.js';
import { requireOption } from '../core/requireOption.js';
import type { TlsOptions } from '../transport/transportOptions.js';
import type { BrokerSource } from './broker/brokerSource.js';
import { brokerUrls } from './broker/brokerUrls.js';
import { poll } from './broker/poll.js';
import { watch } from './broker/watch.js';
import type { Discovery } from './discovery.js';
import { reconnecting } from './reconnecting.js';

export interface BrokerOptions {
  /**
   * Where the broker is: `http://`, `https://`, `ws://`, `wss://`, or no scheme for http; a path in front of `/v1` is kept.
   * Default `http://127.0.0.1:5866`.
   */
  readonly url?: string;
  /**
   * How to ask. Default `auto`: by WebSocket, and by polling where the broker knows none (daemons before v1.2.4).
   */
  readonly mode?: 'auto' | 'watch' | 'poll';
  /** The deployment whose prefix the broker puts before its ids: `local-hub-1` is then `hub-1`. Default `local`. */
  readonly deployment?: string;
  /** Sent with each request, such as `authorization`. Never shown in an error or event. */
  readonly headers?: Readonly<Record<string, string>>;
  /** For `https` and `wss`. */
  readonly tls?: TlsOptions;
  /** How often to ask when polling, in milliseconds. Default 30,000 (Lumen's `scan_interval`). */
  readonly pollMs?: number;
  /** How long an answer to a request, or a handshake, may take, in milliseconds. Default 10,000. */
  readonly timeoutMs?: number;
  /**
   * Time without a word from the broker after which a ping asks whether it is there, in milliseconds. Default 20,000.
   * The broker itself sends none, so a connection that died without a goodbye would never be noticed.
   */
  readonly pingMs?: number;
  /** How long any word may take after a ping before the connection counts as lost, in milliseconds. Default 10,000. */
  readonly pingTimeoutMs?: number;
  /** Waits between connections. Default 1,000 ms, doubling to 30,000, ± 20 %; a snapshot starts it anew. */
  readonly backoff?: BackoffOptions;
}

/** The port and path are those of Lumen's `hostbroker`. */
const defaultUrl = 'http://127.0.0.1:5866';

/**
 * Lists the nodes of a Lumen host broker, and follows it.
 *
 *     broker        -s---s--x  s---      s: a snapshot   x: it goes away
 *     discovery     -a---b--B---c--      B is b, marked stale
 *
 * Understands `GET /v1/nodes/watch` with whole snapshots, the older messages (`snapshot`, `added`, `removed`) and
 * `GET /v1/nodes` in its three forms. A snapshot with another type, without an id, with a bad address or with one id
 * twice is rejected as a whole, with an event, and the set is stale until a good one comes. A broker that says nothing
 * after the handshake, as older ones do while they list nobody, is asked by `GET /v1/nodes`.
 *
 * A node's `id` is the broker's without the deployment; its `version` and `metadata.runtime` are the TXT entries `v` and
 * `runtime`. What the broker thinks of a node's availability is left to the client's own checks.
 *
 * Errors only when the broker refuses the credentials (401, 403).
 *
 * @throws FleetError `INVALID_OPTION` for a URL that is none, or a time that makes no sense.
 */
export function broker(options: BrokerOptions = {}): Discovery {
  const { url = defaultUrl, mode = 'auto', deployment = 'local', headers = {}, tls } = options;
  const { pollMs = 30_000, timeoutMs = 10_000, pingMs = 20_000, pingTimeoutMs = 10_000 } = options;
  requireOption(['auto', 'watch', 'poll'].includes(mode), 'mode', 'auto, watch or poll', mode);
  for (const [field, ms] of Object.entries({ pollMs, timeoutMs, pingMs, pingTimeoutMs })) {
    requireOption(ms > 0 && ms < 2 ** 31, field, 'more than 0 and less than 2^31', ms);
  }
  const urls = brokerUrls(url);
  const backoff = { initialBackoffMs: 1_000, maxBackoffMs: 30_000, ...options.backoff };

  return (query) => {
    const { scheduler = asyncScheduler } = query;
    const source: BrokerSource = {
      ...{ urls, deployment, headers, tls, pollMs, timeoutMs, pingMs, pingTimeoutMs, scheduler },
      service: query.service,
      pings: { answered: false, ignored: 0 },
      skipped: (message, cause) =>
        query.onEvent?.({ source: 'broker', type: 'skipped', message: `${urls.shown}: ${message}`, cause }),
    };
    const session = (): Observable<NodeSet> => {
      if (mode === 'poll') return poll(source);
      return watch(source).pipe(
        catchError((error: unknown) => {
          if (mode === 'auto' && FleetError.from(error).code === 'UNIMPLEMENTED') return poll(source);
          throw error;
        }),
      );
    };
    const named = () => session().pipe(catchError((error: unknown) => refused(error, urls.shown)));
    return reconnecting(query, named, { source: 'broker', backoff });
  };
}

/** Says where. */
function refused(thrown: unknown, url: string): never {
  const error = FleetError.from(thrown, 'UNAVAILABLE');
  throw new FleetError(error.code, `broker ${url}: ${error.message}`, { cause: error });
}
