/** Four sets of numbers for four kinds of machine, as the Go client has them. */

import type { ChunkOptions } from './chunking.js';
import type { CooldownOptions } from './cooldown.js';

/**
 * `minimal`: few nodes, long patience, small messages. `basic`: the usual. `lightweight`: a small machine that must
 * notice changes soon. `brave`: many nodes, quick decisions, big messages.
 */
export type LumenPreset = 'minimal' | 'basic' | 'lightweight' | 'brave';

/** What a preset sets; every field can be overridden by the option of its name. */
export interface PresetNumbers {
  /** Longest wait between two mDNS questions, in milliseconds (Go: `scan_interval`). */
  readonly discoveryIntervalMs: number;
  /** Most nodes used (Go: `max_nodes`). */
  readonly maxNodes: number;
  /** How long one dial may take, in milliseconds (Go: `dial_timeout`). */
  readonly connectDeadlineMs: number;
  /** Deadline of an inference, in milliseconds (Go: `default_timeout`). */
  readonly deadlineMs: number;
  /** Milliseconds between health checks; undefined for none (Go: `check_interval`). */
  readonly healthIntervalMs: number | undefined;
  readonly balancer: 'round_robin' | 'least_loaded';
  readonly cooldown: Pick<CooldownOptions, 'minMs' | 'maxMs'>;
  readonly chunk: ChunkOptions;
}

const KiB = 1_024;

/**
 * The numbers of the Go client's presets (v1.1.3; the cooldowns are those of its newest release). Its keepalive of
 * 15 to 60 s is left out, since servers on gRPC's C core end a connection for it, and so are its message limits of
 * 2 to 8 MiB, since the hub's answers come in pieces of 4 MiB and a bit: the transport's own defaults stand.
 */
export const lumenPresets: Readonly<Record<LumenPreset, PresetNumbers>> = {
  minimal: {
    discoveryIntervalMs: 60_000,
    maxNodes: 5,
    connectDeadlineMs: 10_000,
    deadlineMs: 60_000,
    healthIntervalMs: undefined,
    balancer: 'round_robin',
    cooldown: { minMs: 30_000, maxMs: 300_000 },
    chunk: { thresholdBytes: 256 * KiB, pieceBytes: 64 * KiB },
  },
  basic: {
    discoveryIntervalMs: 30_000,
    maxNodes: 20,
    connectDeadlineMs: 5_000,
    deadlineMs: 30_000,
    healthIntervalMs: 10_000,
    balancer: 'round_robin',
    cooldown: { minMs: 10_000, maxMs: 120_000 },
    chunk: { thresholdBytes: 1_024 * KiB, pieceBytes: 256 * KiB },
  },
  lightweight: {
    discoveryIntervalMs: 45_000,
    maxNodes: 10,
    connectDeadlineMs: 5_000,
    deadlineMs: 30_000,
    healthIntervalMs: 30_000,
    balancer: 'round_robin',
    cooldown: { minMs: 15_000, maxMs: 180_000 },
    chunk: { thresholdBytes: 512 * KiB, pieceBytes: 128 * KiB },
  },
  brave: {
    discoveryIntervalMs: 15_000,
    maxNodes: 50,
    connectDeadlineMs: 3_000,
    deadlineMs: 15_000,
    healthIntervalMs: 5_000,
    balancer: 'least_loaded',
    cooldown: { minMs: 5_000, maxMs: 60_000 },
    chunk: { thresholdBytes: 4_096 * KiB, pieceBytes: 1_024 * KiB },
  },
};
