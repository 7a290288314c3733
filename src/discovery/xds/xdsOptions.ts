/** The options of `xds()`, and the one place where they are resolved. */

import { readFileSync } from 'node:fs';
import type { BackoffOptions } from '../../core/backoff.js';
import type { Transport } from '../../core/channel.js';
import { FleetError } from '../../core/fleetError.js';
import { requireOption } from '../../core/requireOption.js';
import { grpcTransport } from '../../transport/grpc.js';
import type { TlsOptions } from '../../transport/transportOptions.js';
import { loadBootstrap, readBootstrap, serverAddress, type Bootstrap, type XdsServer } from './bootstrap.js';
import type { XdsDrop } from './dropCategory.js';

export interface XdsOptions {
  /**
   * The bootstrap of gRPC's xDS clients (gRFC A27): the path of its file, or what stands in it. Default: the file that
   * `GRPC_XDS_BOOTSTRAP` names, else the text in `GRPC_XDS_BOOTSTRAP_CONFIG`; read when someone subscribes.
   */
  readonly bootstrap?: string | object;
  /** The control plane as `host:port`, in the place of those of a bootstrap; alone, no bootstrap is looked for. */
  readonly server?: string;
  /** TLS to `server`. Default: plain text. */
  readonly tls?: TlsOptions;
  /** Who we are to the control plane. Default: the node of the bootstrap, without one `rxfleet`. */
  readonly nodeId?: string;
  /** True takes the service of the query for the name of a cluster, as `cluster:name` does. Default false. */
  readonly cluster?: boolean;
  /**
   * `'auto'` speaks the incremental protocol where the control plane has it, and else asks for the state of the world;
   * true insists on it, false never tries. Default `'auto'`.
   */
  readonly incremental?: boolean | 'auto';
  /** How long a resource may be awaited before it counts as missing, in milliseconds. Default 15,000 (xDS). */
  readonly resourceTimeoutMs?: number;
  /**
   * True lists the nodes of every priority, for `activePriority()` in front of the balancer or for
   * `priorityFailover()`; then failover follows what the client sees, too. Default false: only the nodes of the best
   * priority that has healthy ones.
   */
  readonly allPriorities?: boolean;
  /** Told of what the control plane asks to drop, at first and when it changes. `dropCategory()` throws the dice. */
  readonly onDrops?: (drops: readonly XdsDrop[]) => void;
  /** Waits between streams that broke before they said anything. Default 100 ms, doubling to 30 s, ± 20 %. */
  readonly backoff?: BackoffOptions;
  /**
   * How to reach the control plane, with its TLS. Default: `grpcTransport()` with the credentials of the bootstrap. It
   * pings after 330 s, since many control planes end a connection that pings more often than every five minutes.
   */
  readonly transport?: Transport;
}

export interface ResolvedXds {
  /** @throws FleetError `INVALID_OPTION` when there is none. */
  readonly bootstrap: () => Bootstrap;
  readonly transportTo: (server: XdsServer) => Transport;
  readonly cluster: boolean;
  readonly incremental: boolean | 'auto';
  readonly resourceTimeoutMs: number;
  readonly allPriorities: boolean;
  readonly onDrops: ((drops: readonly XdsDrop[]) => void) | undefined;
  readonly backoff: BackoffOptions | undefined;
}

/** @throws FleetError `INVALID_OPTION` naming the option. */
export function resolveXds(options: XdsOptions): ResolvedXds {
  const { server, tls, transport, nodeId } = options;
  const { cluster = false, incremental = 'auto', resourceTimeoutMs = 15_000, allPriorities = false } = options;
  requireOption(
    resourceTimeoutMs > 0 && Number.isFinite(resourceTimeoutMs),
    'resourceTimeoutMs',
    'more than 0',
    resourceTimeoutMs,
  );
  requireOption([true, false, 'auto'].includes(incremental), 'incremental', "true, false or 'auto'", incremental);
  requireOption(!tls || server !== undefined, 'tls', 'given together with server', 'alone');
  requireOption(!tls || !transport, 'tls', 'an option of the transport that you pass', 'given beside it');
  requireOption(nodeId !== '', 'nodeId', 'a name', 'empty');
  const own: XdsServer | undefined =
    server === undefined
      ? undefined
      : {
          address: serverAddress(server, 'server'),
          credentials: { type: 'insecure' },
          ...{ ignoreResourceDeletion: false, timerIsTransientError: false },
        };
  const secured = tls && grpcTransport({ tls, connectDeadlineMs });
  const read = bootstrapReader(options.bootstrap, own);
  return {
    bootstrap: () => {
      const bootstrap = read();
      const servers = own ? [own] : bootstrap.servers;
      return { ...bootstrap, servers, node: { ...bootstrap.node, id: nodeId ?? (bootstrap.node.id || 'rxfleet') } };
    },
    transportTo: (to) => transport ?? (to === own && secured ? secured : defaultTransport(to)),
    ...{ cluster, incremental, resourceTimeoutMs, allPriorities, onDrops: options.onDrops, backoff: options.backoff },
  };
}

/** How long one dial may take, in milliseconds. */
const connectDeadlineMs = 5_000;

function bootstrapReader(given: XdsOptions['bootstrap'], own: XdsServer | undefined): () => Bootstrap {
  if (typeof given === 'object') {
    const read = readBootstrap(given);
    return () => read;
  }
  if (given === undefined && own) {
    const node = { id: '', cluster: '', metadata: undefined, locality: undefined };
    return () => ({ servers: [own], node, listenerTemplate: '%s', authorities: new Map() });
  }
  return () => loadBootstrap(given);
}

function defaultTransport({ credentials }: XdsServer): Transport {
  if (credentials.type === 'insecure') return grpcTransport({ connectDeadlineMs });
  const { ca, cert, key } = credentials.files;
  const tls: TlsOptions = {
    ...(ca ? { ca: fileOf(ca) } : {}),
    ...(cert && key ? { cert: fileOf(cert), key: fileOf(key) } : {}),
  };
  return grpcTransport({ tls, connectDeadlineMs });
}

function fileOf(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    const message = `the file ${path} that the bootstrap names cannot be read: ${(cause as Error).message}`;
    throw new FleetError('INVALID_OPTION', message, { cause });
  }
}
