/** The check that Consul keeps for a node: by our heartbeats, or by asking the node itself. */

import { formatAddress } from '../../core/address.js';
import type { Node } from '../../core/node.js';
import { requireOption } from '../../core/requireOption.js';

/**
 * Who says that the node is alive: it itself by heartbeats (`ttlMs`), or the agent, which asks it over HTTP or by
 * gRPC's health protocol.
 */
export type ConsulCheckOptions =
  | {
      /** A node that sent no heartbeat for so long is critical, in milliseconds. */
      readonly ttlMs: number;
    }
  | {
      /** A path of the node, such as `/health`, or a whole URL; 200 to 299 passes, 429 warns. */
      readonly http: string;
      /** How often the agent asks, in milliseconds. Default 10,000. */
      readonly intervalMs?: number;
      /** How long an answer may take, in milliseconds. Default 5,000. */
      readonly timeoutMs?: number;
    }
  | {
      /** The service whose health the node is asked for; `''` is the node as a whole. */
      readonly grpc: string;
      /** The agent speaks TLS with the node. Default false. */
      readonly grpcTls?: boolean;
      readonly intervalMs?: number;
      readonly timeoutMs?: number;
    };

/** A check with its defaults. */
export interface ConsulCheckPlan {
  /** Undefined when the agent asks, and so no heartbeats are sent. */
  readonly ttlMs: number | undefined;
  /** What is put in for a node, in Consul's own names. */
  payload(node: Node): Readonly<Record<string, unknown>>;
}

/**
 * Fills in the defaults.
 *
 * @throws FleetError `INVALID_OPTION` for a time that makes no sense.
 */
export function consulCheck(options: ConsulCheckOptions): ConsulCheckPlan {
  if ('ttlMs' in options) {
    const { ttlMs } = options;
    requireOption(ttlMs >= 1_000 && Number.isFinite(ttlMs), 'check.ttlMs', 'at least 1,000', ttlMs);
    return { ttlMs, payload: () => ({ TTL: duration(ttlMs) }) };
  }
  const { intervalMs = 10_000, timeoutMs = 5_000 } = options;
  requireOption(intervalMs >= 1_000, 'check.intervalMs', 'at least 1,000', intervalMs);
  requireOption(timeoutMs > 0, 'check.timeoutMs', 'above 0', timeoutMs);
  const every = { Interval: duration(intervalMs), Timeout: duration(timeoutMs) };
  if ('http' in options) {
    const { http } = options;
    requireOption(/^(\/|https?:\/\/)/.test(http), 'check.http', 'a path such as /health, or a URL', http);
    const at = (node: Node) => (http.startsWith('/') ? `http://${formatAddress(node.address)}${http}` : http);
    return { ttlMs: undefined, payload: (node) => ({ HTTP: at(node), ...every }) };
  }
  const { grpc, grpcTls = false } = options;
  const target = (node: Node) => formatAddress(node.address) + (grpc ? `/${grpc}` : '');
  return { ttlMs: undefined, payload: (node) => ({ GRPC: target(node), GRPCUseTLS: grpcTls, ...every }) };
}

/** Go's way to write a time. */
export function duration(ms: number): string {
  return ms % 1_000 === 0 ? `${ms / 1_000}s` : `${ms}ms`;
}
