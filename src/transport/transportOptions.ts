/** The options that every transport takes, and the one place where they are resolved. */

import { X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { exponentialBackoff, type Backoff } from '../core/backoff.js';
import { FleetError } from '../core/fleetError.js';
import { requireOption } from '../core/requireOption.js';

/** Each field is optional; the defaults suit a fleet in one data centre or one house. */
export interface TransportOptions {
  /**
   * How long one dial may take, from the first packet to the node's HTTP/2 settings, in milliseconds. Past it the
   * address counts as failed and the next one is tried. Default 10,000. gRPC's `MIN_CONNECT_TIMEOUT` is 20,000.
   */
  readonly connectDeadlineMs?: number;
  /**
   * Time without data after which a ping asks whether the node is there, in milliseconds. Default 330,000: servers
   * on gRPC's C core allow one ping in five minutes and end the connection with `too_many_pings` past that.
   * `Infinity` sends none. gRPC: `GRPC_ARG_KEEPALIVE_TIME_MS`.
   */
  readonly keepaliveMs?: number;
  /** How long the answer to a ping may take before the connection counts as lost, in milliseconds. Default 20,000. */
  readonly keepaliveTimeoutMs?: number;
  /** Pings also while no call runs. Default false. gRPC: `GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS`. */
  readonly keepaliveWithoutCalls?: boolean;
  /** TLS, and mutual TLS when it has `cert` and `key`. Default: plain text. */
  readonly tls?: TlsOptions;
  /** Longest message taken from a node, in bytes; a longer one ends the call as `RESOURCE_EXHAUSTED`. Default 16 MiB. */
  readonly maxReceiveBytes?: number;
  /** Longest message sent, in bytes; a longer one ends the call as `RESOURCE_EXHAUSTED`. Default: no limit. */
  readonly maxSendBytes?: number;
  /** Wait before dialling again after every address failed, counted from the start of the dial, in milliseconds. Default 1,000. */
  readonly initialReconnectMs?: number;
  /** Longest such wait, before jitter, in milliseconds. Default 120,000. */
  readonly maxReconnectMs?: number;
  /** Each wait is this many times the one before. Default 1.6 (gRPC's connection backoff). */
  readonly reconnectMultiplier?: number;
  /** Each wait is spread evenly over ± this fraction. Default 0.2. */
  readonly reconnectJitter?: number;
  /** Put before the user agent of the HTTP/2 library. Default `rxfleet`. */
  readonly userAgent?: string;
  /** Chance, for the jitter. Default `Math.random`. */
  readonly random?: () => number;
}

/** Certificates and keys in PEM, as text or bytes. */
export interface TlsOptions {
  /** The authorities that may have signed the node's certificate. Default: those that Node.js trusts. */
  readonly ca?: string | Uint8Array;
  /** Our own certificate chain, for nodes that ask for one. Needs `key`. */
  readonly cert?: string | Uint8Array;
  /** The private key of `cert`. */
  readonly key?: string | Uint8Array;
  /** The name that the certificate must bear. Default: the host that is dialled. */
  readonly serverName?: string;
  /** False trusts any certificate: for tests only. Default true. */
  readonly rejectUnauthorized?: boolean;
}

/** `TransportOptions` with its defaults. */
export interface ResolvedTransportOptions {
  readonly connectDeadlineMs: number;
  readonly keepaliveMs: number;
  readonly keepaliveTimeoutMs: number;
  readonly keepaliveWithoutCalls: boolean;
  readonly tls: TlsOptions | undefined;
  readonly maxReceiveBytes: number;
  readonly maxSendBytes: number;
  readonly reconnect: Backoff;
  readonly userAgent: string;
  readonly random: () => number;
}

/**
 * Fills in the defaults.
 *
 * @throws FleetError `INVALID_OPTION` for a time or size that makes no sense, or a `cert` without its `key`.
 */
export function resolveTransportOptions(options: TransportOptions = {}): ResolvedTransportOptions {
  const {
    connectDeadlineMs = 10_000,
    keepaliveMs = 330_000,
    keepaliveTimeoutMs = 20_000,
    keepaliveWithoutCalls = false,
    tls,
    maxReceiveBytes = 16 * 1024 * 1024,
    maxSendBytes = Infinity,
    initialReconnectMs = 1_000,
    maxReconnectMs = 120_000,
    reconnectMultiplier = 1.6,
    reconnectJitter = 0.2,
    userAgent = 'rxfleet',
    random = Math.random,
  } = options;
  requireOption(connectDeadlineMs > 0, 'connectDeadlineMs', 'more than 0', connectDeadlineMs);
  requireOption(keepaliveMs > 0, 'keepaliveMs', 'more than 0', keepaliveMs);
  requireOption(keepaliveTimeoutMs > 0, 'keepaliveTimeoutMs', 'more than 0', keepaliveTimeoutMs);
  requireOption(maxReceiveBytes > 0, 'maxReceiveBytes', 'more than 0', maxReceiveBytes);
  requireOption(maxSendBytes > 0, 'maxSendBytes', 'more than 0', maxSendBytes);
  requireOption(initialReconnectMs >= 0, 'initialReconnectMs', 'at least 0', initialReconnectMs);
  requireOption(maxReconnectMs >= 0, 'maxReconnectMs', 'at least 0', maxReconnectMs);
  requireOption(reconnectMultiplier >= 1, 'reconnectMultiplier', 'at least 1', reconnectMultiplier);
  requireOption(reconnectJitter >= 0 && reconnectJitter <= 1, 'reconnectJitter', 'from 0 to 1', reconnectJitter);
  requireOption(/^[ -~]*$/.test(userAgent), 'userAgent', 'printable ASCII', userAgent);
  if (tls) checkTls(tls);
  return {
    connectDeadlineMs,
    keepaliveMs,
    keepaliveTimeoutMs,
    keepaliveWithoutCalls,
    tls,
    maxReceiveBytes,
    maxSendBytes,
    reconnect: exponentialBackoff({
      initialBackoffMs: initialReconnectMs,
      maxBackoffMs: maxReconnectMs,
      backoffMultiplier: reconnectMultiplier,
      jitter: reconnectJitter,
    }),
    userAgent,
    random,
  };
}

/** OpenSSL passes over an authority that it cannot read, and would trust nobody: so it is read here first. */
function checkTls({ ca, cert, key }: TlsOptions): void {
  requireOption(!cert === !key, 'tls.cert', 'given together with tls.key', 'alone');
  const read = (field: string, parse: () => unknown) => {
    try {
      parse();
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new FleetError('INVALID_OPTION', `${field} cannot be read as PEM: ${why}`, { cause: error });
    }
  };
  if (ca) read('tls.ca', () => new X509Certificate(ca));
  if (cert) read('tls.cert', () => new X509Certificate(cert));
  if (cert && key) {
    read('tls.key', () =>
      createSecureContext({ cert: Buffer.from(cert as Uint8Array), key: Buffer.from(key as Uint8Array) }),
    );
  }
}
