/** What a Lumen client may be told, and the one place where its defaults are. */

import { randomUUID } from 'node:crypto';
import { asyncScheduler, map, type SchedulerLike } from 'rxjs';
import { leastLoaded } from '../balancer/leastLoaded.js';
import type { Balancer } from '../balancer/picker.js';
import { roundRobin } from '../balancer/roundRobin.js';
import type { Layer } from '../call/middleware.js';
import type { FleetOptions } from '../client/fleet.js';
import type { Channel, Transport } from '../core/channel.js';
import { FleetError } from '../core/fleetError.js';
import { NodeSet } from '../core/nodeSet.js';
import { requireOption } from '../core/requireOption.js';
import type { RetryBudgetOptions } from '../core/retryBudget.js';
import type { Discovery, DiscoveryEvent } from '../discovery/discovery.js';
import { mdns } from '../discovery/mdns.js';
import { activeHealth } from '../health/activeHealth.js';
import { lumenHealth } from '../health/lumenHealth.js';
import type { ChannelPoolOptions } from '../transport/channelPool.js';
import { grpcTransport } from '../transport/grpc.js';
import type { ChunkOptions } from './chunking.js';
import type { CooldownOptions } from './cooldown.js';
import type { HandshakeOptions } from './handshake.js';
import { checkInferOptions, inferenceRetry, type InferenceDefaults, type InferOptions } from './inference.js';
import { lumenPresets, type LumenPreset } from './lumenPresets.js';
import { singleMessageTasks } from './taskRequirement.js';

export interface LumenClientOptions extends Pick<
  HandshakeOptions,
  'legacyNodes' | 'capabilityTimeoutMs' | 'capabilityRefreshMs'
> {
  /** Numbers to begin with; every other option goes before them. Default: the numbers that each option states. */
  readonly preset?: LumenPreset;
  /** Default `lumen`: over mDNS, `_lumen._tcp.local`. */
  readonly service?: string;
  readonly namespace?: string;
  /** Default `mdns()`. */
  readonly discovery?: Discovery;
  /** Default `grpcTransport()`, dialling a lost node again after 10 s at the latest. */
  readonly transport?: Transport;
  /** Default `roundRobin()`. */
  readonly balancer?: Balancer;
  /** How connections are kept. Nodes are always dialled as soon as they are known, since they must be asked what they can do. */
  readonly connections?: Omit<ChannelPoolOptions, 'eager'>;
  /**
   * Active health checks, such as `activeHealth(lumenHealth())`; `false`: none. Default: those of the preset, else none,
   * since a node that is connected and has named its capabilities counts as healthy.
   */
  readonly health?: FleetOptions['health'] | false;
  /** Most nodes used, the first that discovery lists. Default: all. */
  readonly maxNodes?: number;
  /** Defaults for every inference. */
  readonly calls?: InferOptions;
  /** How large payloads are cut: over 1 MiB into pieces of 256 KiB. `false` never cuts. */
  readonly chunk?: ChunkOptions | false;
  /**
   * Tasks that some nodes serve without putting pieces together: sent in one message as long as they fit one, and past
   * that only to nodes that put pieces together. Default `ocr`.
   */
  readonly singleMessageTasks?: readonly string[];
  /** The rest that a node takes after failures in a row: 3, then 10 s, doubling to 120 s. `false`: none. */
  readonly cooldown?: Pick<CooldownOptions, 'failures' | 'minMs' | 'maxMs'> | false;
  /** Around every call: middlewares, the first outermost, and policies, which know their own place. */
  readonly use?: readonly Layer<Channel>[];
  /** The one budget for all retries. Default 20 % of the calls and 10 a second. */
  readonly retryBudget?: RetryBudgetOptions;
  /** The window of the throughput in `metrics$`, in milliseconds. Default 10,000. */
  readonly metricsWindowMs?: number;
  /** Told of what discovery skipped or survived. */
  readonly onDiscoveryEvent?: (event: DiscoveryEvent) => void;
  /** Makes the correlation ids. Default: random UUIDs. */
  readonly newId?: () => string;
  /** Default `asyncScheduler`. */
  readonly scheduler?: SchedulerLike;
  /** Default `Math.random`. */
  readonly random?: () => number;
}

/** `LumenClientOptions` with its defaults. */
export interface ResolvedLumenOptions {
  readonly fleet: FleetOptions;
  readonly balancer: Balancer;
  readonly defaults: InferenceDefaults;
  readonly handshake: HandshakeOptions;
  readonly cooldown: CooldownOptions | false;
  readonly metricsWindowMs: number;
  readonly newId: () => string;
  readonly scheduler: SchedulerLike;
}

/** @throws FleetError `INVALID_OPTION`, naming the option. */
export function resolveLumenOptions(options: LumenClientOptions): ResolvedLumenOptions {
  const { scheduler = asyncScheduler, random = Math.random, service = 'lumen', calls = {}, namespace } = options;
  const preset = options.preset === undefined ? undefined : lumenPresets[options.preset];
  requireOption(
    options.preset === undefined || preset !== undefined,
    'preset',
    `one of ${Object.keys(lumenPresets).join(', ')}`,
    options.preset,
  );
  const maxNodes = options.maxNodes ?? preset?.maxNodes ?? Infinity;
  requireOption(maxNodes >= 1, 'maxNodes', 'at least 1', maxNodes);
  checkInferOptions({ ...calls, chunk: options.chunk ?? calls.chunk });
  for (const task of options.singleMessageTasks ?? []) {
    if (typeof task !== 'string') throw new FleetError('INVALID_OPTION', 'singleMessageTasks must hold names of tasks');
  }

  const discovery = options.discovery ?? mdns(preset ? { maxQueryIntervalMs: preset.discoveryIntervalMs } : {});
  const transport =
    options.transport ??
    grpcTransport({ maxReconnectMs: 10_000, ...(preset ? { connectDeadlineMs: preset.connectDeadlineMs } : {}) });
  const balancer = options.balancer ?? (preset?.balancer === 'least_loaded' ? leastLoaded() : roundRobin());
  const cooldown = options.cooldown === false ? false : { ...preset?.cooldown, ...options.cooldown, scheduler };
  const intervalMs = preset?.healthIntervalMs;
  const health =
    options.health ??
    (intervalMs === undefined ? false : activeHealth(lumenHealth(), { intervalMs, scheduler, random }));
  const deadlineMs = calls.deadlineMs ?? preset?.deadlineMs;

  return {
    fleet: {
      service,
      ...(namespace === undefined ? {} : { namespace }),
      discovery: maxNodes === Infinity ? discovery : atMost(maxNodes, discovery),
      transport,
      balancer,
      connections: { ...options.connections, eager: true },
      initialState: { compatibility: 'pending' },
      scheduler,
      random,
      ...(health ? { health } : {}),
      ...(options.use ? { use: options.use } : {}),
      ...(options.retryBudget ? { retryBudget: options.retryBudget } : {}),
      ...(options.onDiscoveryEvent ? { onDiscoveryEvent: options.onDiscoveryEvent } : {}),
    },
    balancer,
    defaults: {
      ...calls,
      ...(deadlineMs === undefined ? {} : { deadlineMs }),
      chunk: options.chunk ?? calls.chunk ?? preset?.chunk ?? {},
      retry: calls.retry === false ? false : { ...inferenceRetry, ...calls.retry },
      singleMessageTasks: options.singleMessageTasks ? new Set(options.singleMessageTasks) : singleMessageTasks,
    },
    handshake: {
      legacyNodes: options.legacyNodes ?? true,
      ...(options.capabilityTimeoutMs === undefined ? {} : { capabilityTimeoutMs: options.capabilityTimeoutMs }),
      ...(options.capabilityRefreshMs === undefined ? {} : { capabilityRefreshMs: options.capabilityRefreshMs }),
      scheduler,
      random,
    },
    cooldown,
    metricsWindowMs: options.metricsWindowMs ?? 10_000,
    newId: options.newId ?? randomUUID,
    scheduler,
  };
}

/** The first nodes of each set; those that were there before keep their place, so the choice is stable. */
function atMost(max: number, discovery: Discovery): Discovery {
  return (query) =>
    discovery(query).pipe(map((set) => (set.size <= max ? set : NodeSet.of(set.nodes.slice(0, max), set.stale))));
}
