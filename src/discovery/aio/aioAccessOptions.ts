/** How an AIO server is reached and who asks: what the discovery, the registry and the client of AIO have in common. */

import type { SchedulerLike } from 'rxjs';
import { parseAddress, type Address } from '../../core/address.js';
import type { Transport } from '../../core/channel.js';
import { FleetError } from '../../core/fleetError.js';
import { requireOption } from '../../core/requireOption.js';

export interface AioAccessOptions {
  /**
   * Where the server listens: `host:port`, or several as a list or separated by commas. The first that answers is kept;
   * when it fails, the call goes on to the next one.
   */
  readonly registryAddr: string | readonly string[];
  /** Who we are. Needed together with `clientSecret`, unless `disableAuth`. */
  readonly clientKey?: string;
  /** Never shown in an error, an event or a log. */
  readonly clientSecret?: string;
  /** True shows no credential, for a server behind something that does. Default false. */
  readonly disableAuth?: boolean;
  /** The environment that is asked for and registered in, unless a call names another. Default `dev`, as AIO's own SDK. */
  readonly env?: string;
  /** How to reach the server. Default `grpcTransport()` in plain text; give one with `tls` for a server behind TLS. */
  readonly transport?: Transport;
  /** How long one server may take for one call, in milliseconds. Default 10,000. */
  readonly callTimeoutMs?: number;
  /** Default `asyncScheduler`. */
  readonly scheduler?: SchedulerLike;
  /** Default `Math.random`. */
  readonly random?: () => number;
}

/** `AioAccessOptions`, checked. */
export interface ResolvedAccess {
  readonly addresses: readonly Address[];
  readonly clientKey: string;
  readonly clientSecret: string;
  readonly disableAuth: boolean;
  readonly env: string;
  readonly callTimeoutMs: number;
}

/**
 * Fills in the defaults.
 *
 * @throws FleetError `INVALID_OPTION` for a missing or bad address, a missing key or secret (never showing the secret),
 *   an empty `env` or a time that makes no sense.
 */
export function resolveAccessOptions(options: AioAccessOptions): ResolvedAccess {
  const { clientKey = '', clientSecret = '', disableAuth = false, env = 'dev', callTimeoutMs = 10_000 } = options;
  requireOption(callTimeoutMs > 0, 'callTimeoutMs', 'above 0', callTimeoutMs);
  requireOption(env !== '', 'env', 'the name of an environment, such as "prod"', '""');
  if (!disableAuth && (!clientKey || !clientSecret)) {
    const missing = clientKey ? 'clientSecret' : 'clientKey';
    throw new FleetError('INVALID_OPTION', `${missing} must be given, or disableAuth set to true`);
  }
  return {
    addresses: addressesOf(options.registryAddr),
    clientKey,
    clientSecret,
    disableAuth,
    env,
    callTimeoutMs,
  };
}

/** `a:1, b:2` or a list of such; spaces and empty parts are passed over. */
function addressesOf(registryAddr: string | readonly string[]): readonly Address[] {
  const texts = [registryAddr ?? '']
    .flat()
    .flatMap((text) => String(text).split(','))
    .map((text) => text.trim())
    .filter((text) => text !== '');
  requireOption(texts.length > 0, 'registryAddr', 'host:port, or several separated by commas', '""');
  return [...new Set(texts)].map((text) => {
    try {
      return parseAddress(text);
    } catch (error) {
      throw new FleetError('INVALID_OPTION', `registryAddr: ${FleetError.from(error).message}`, { cause: error });
    }
  });
}
