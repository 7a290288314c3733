/** A fleet from a file, an object or environment variables. */

import { createFleet, type Fleet, type FleetOptions } from '../client/fleet.js';
import { FleetError } from '../core/fleetError.js';
import { activeHealth } from '../health/activeHealth.js';
import { grpcHealth } from '../health/grpcHealth.js';
import { tcpHealth } from '../health/tcpHealth.js';
import { grpcTransport } from '../transport/grpc.js';
import { balancerOfName } from './balancerName.js';
import { discoveryOf, scopeOf, valuesOf, type FleetValues } from './discoveryOf.js';
import { readConfig } from './readConfig.js';
import type { ConfigSource } from './configSource.js';
import { tlsOf } from './tls.js';

/** What a program adds to a configuration; what stands here counts in its place. */
export type FleetFromConfigOptions = Partial<FleetOptions>;

/**
 * Makes a fleet as a configuration says: flare's TOML as it stands, or the same as YAML, JSON, an object or environment
 * variables.
 *
 * ```toml
 * [discovery]
 * backend = "etcd"
 * load_balance = "consistent_hash"
 *
 * [discovery.backend_config]
 * endpoints = ["http://localhost:2379"]
 * service_type = "signaling-online"
 * ```
 *
 * ```ts
 * createFleetFromConfig('fleet.toml');
 * createFleetFromConfig({ file: 'fleet.toml', env: process.env });     // the environment counts in the place of the file
 * createFleetFromConfig({ discovery: { url: 'consul://127.0.0.1:8500/thumbnails' } });
 * ```
 *
 * Times are seconds, or texts such as `"30s"`, `"500ms"`, `"5m"`. The environment counts only when it is passed. Returns
 * at once: a file is read in doing so, and the backend that is asked for is loaded when the fleet first asks it.
 * Addresses are dialled by `grpcTransport()`, unless `options.transport` is given.
 *
 * @throws FleetError `INVALID_OPTION` for a setting that is not known or makes no sense, with its path, where it stands,
 *   and the nearest known name.
 */
export function createFleetFromConfig(source: ConfigSource, options: FleetFromConfigOptions = {}): Fleet {
  const config = readConfig(source);
  const { service, namespace } = scopeOf(config);
  if (
    (options.service ?? service) === undefined &&
    config.backend.name !== 'static' &&
    config.backend.name !== 'file'
  ) {
    const path = 'discovery.backend_config.service_type';
    throw new FleetError('INVALID_OPTION', `${path} must be given: the name of the service to look for`);
  }
  const values = valuesOf(config);
  const { scheduler, random } = options;
  const ports = { ...(scheduler ? { scheduler } : {}), ...(random ? { random } : {}) };
  const health = healthOf(values, ports);
  return createFleet({
    ...(service === undefined ? {} : { service }),
    ...(namespace === undefined ? {} : { namespace }),
    discovery: discoveryOf(config),
    transport: options.transport ?? transportOf(values),
    balancer: balancerOfName(values.discovery.load_balance, scheduler),
    calls: callsOf(values),
    ...(health ? { health } : {}),
    ...options,
  });
}

function transportOf({ transport }: FleetValues) {
  const { connect_deadline, keepalive, keepalive_timeout, max_receive_bytes, max_send_bytes } = transport;
  const tls = tlsOf(transport.tls, 'transport.tls');
  return grpcTransport({
    connectDeadlineMs: connect_deadline,
    keepaliveMs: keepalive,
    keepaliveTimeoutMs: keepalive_timeout,
    maxReceiveBytes: max_receive_bytes,
    ...(max_send_bytes === undefined ? {} : { maxSendBytes: max_send_bytes }),
    ...(tls ? { tls } : {}),
  });
}

function callsOf({ calls }: FleetValues) {
  const { deadline, first_response_timeout, max_attempts, wait_for_ready } = calls;
  return {
    ...(deadline === undefined ? {} : { deadlineMs: deadline }),
    ...(first_response_timeout === undefined ? {} : { firstResponseTimeoutMs: first_response_timeout }),
    retry: { maxAttempts: max_attempts },
    waitForReady: wait_for_ready,
  };
}

function healthOf(
  { discovery }: FleetValues,
  ports: Pick<FleetOptions, 'scheduler' | 'random'>,
): FleetOptions['health'] {
  const { enabled, kind, interval, timeout, failure_threshold, success_threshold } = discovery.health_check;
  if (enabled !== true) return undefined;
  return activeHealth(kind === 'tcp' ? tcpHealth() : grpcHealth(ports), {
    ...ports,
    intervalMs: interval,
    timeoutMs: timeout,
    failuresOut: failure_threshold,
    successesIn: success_threshold,
  });
}
