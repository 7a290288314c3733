/** How to reach etcd: the options that discovery and registration share, and the one place where they are resolved. */

import { formatAddress, parseAddress, type Address } from '../../core/address.js';
import type { Transport } from '../../core/channel.js';
import { requireOption } from '../../core/requireOption.js';
import { grpcTransport } from '../../transport/grpc.js';
import type { TlsOptions } from '../../transport/transportOptions.js';

export interface EtcdConnectionOptions {
  /** The members, as `host:port`, `http://host:port` or `https://host:port`. Default `['127.0.0.1:2379']`. */
  readonly endpoints?: readonly string[];
  /** The user to authenticate as, with `password`. Default: nobody. */
  readonly user?: string;
  /** Never shown in errors, events or logs. */
  readonly password?: string;
  /** TLS, and mutual TLS when it has `cert` and `key`. Default: plain text, or TLS when the endpoints say `https`. */
  readonly tls?: TlsOptions;
  /** How long one request may take, a dial included, before the next endpoint is asked, in milliseconds. Default 5,000. */
  readonly requestTimeoutMs?: number;
  /**
   * Default: `grpcTransport()` that pings after 10 s of silence and takes a member for lost 5 s later, so that a watch
   * notices a dead network. A transport of your own brings its own TLS, so it excludes `tls`.
   */
  readonly transport?: Transport;
}

export interface ResolvedConnection {
  readonly endpoints: readonly Address[];
  readonly login: { readonly name: string; readonly password: string } | undefined;
  readonly requestTimeoutMs: number;
  readonly transport: Transport;
}

/** @throws FleetError `INVALID_OPTION` naming the option. */
export function resolveConnection(options: EtcdConnectionOptions): ResolvedConnection {
  const { endpoints = ['127.0.0.1:2379'], user, password, tls, requestTimeoutMs = 5_000, transport } = options;
  requireOption(Array.isArray(endpoints) && endpoints.length > 0, 'endpoints', 'a list of at least one', endpoints);
  requireOption(
    requestTimeoutMs > 0 && Number.isFinite(requestTimeoutMs),
    'requestTimeoutMs',
    'more than 0',
    requestTimeoutMs,
  );
  requireOption(!transport || !tls, 'tls', 'an option of the transport that you pass', 'given beside it');
  requireOption(
    (user === undefined) === (password === undefined),
    'user',
    'given together with password',
    user === undefined ? 'missing' : 'alone',
  );
  requireOption(user !== '', 'user', 'a name', 'empty');
  const secure = endpoints.filter((endpoint) => /^https:\/\//i.test(endpoint)).length;
  requireOption(secure === 0 || secure === endpoints.length, 'endpoints', 'all https or none', endpoints.join(', '));
  requireOption(
    !tls || secure > 0 || !endpoints.some((endpoint) => /^http:\/\//i.test(endpoint)),
    'endpoints',
    'https with the option tls',
    endpoints.join(', '),
  );
  const addresses = endpoints.map((endpoint) => parseAddress(endpoint.replace(/^https?:\/\//i, '').replace(/\/$/, '')));
  const known = new Map(addresses.map((address) => [formatAddress(address), address]));
  return {
    endpoints: [...known.values()],
    login: user === undefined ? undefined : { name: user, password: password! },
    requestTimeoutMs,
    transport:
      transport ??
      grpcTransport({
        connectDeadlineMs: requestTimeoutMs,
        keepaliveMs: 10_000,
        keepaliveTimeoutMs: 5_000,
        ...(tls || secure > 0 ? { tls: tls ?? {} } : {}),
      }),
  };
}
