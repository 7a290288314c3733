/** What a node is told at its start, and what it makes of it. */

import { randomUUID } from 'node:crypto';
import { requireOption } from '../../core/requireOption.js';
import type { AdvertiseOptions } from '../../registration/mdns.js';
import { CallLog } from './callLog.js';
import { requireFaults, type LumenFaults } from './faults.js';
import type { LumenFlavour } from './flavour.js';
import { resolveServices, type NodeService } from './services.js';
import type { Serving } from './serving.js';
import { Slots } from './slots.js';

export interface LumenNodeOptions {
  /** Whose ways it has. Default `hub`. */
  readonly flavour?: LumenFlavour;
  /** The instance name. Default `lumen-hub-` or `lumen-python-` and five letters by chance. */
  readonly name?: string;
  /** The address to listen on. Default `127.0.0.1`. */
  readonly host?: string;
  /** Default 0: any free port. */
  readonly port?: number;
  /**
   * What it serves. Default, for a hub: services `siglip` (`semantic_text_embed`, `semantic_image_embed`), `bioclip`
   * (`bioclip_classify`), `ocr`, `face` (`face_recognition`), `text` (`text_generation`) and `echo`; for Python one service
   * with the names that its tasks have there (`clip_text_embed`, …, `vlm_generate`) and `echo`.
   */
  readonly services?: readonly NodeService[];
  /** Only these tasks, of either flavour. Default: all that the services have. */
  readonly tasks?: readonly string[];
  /** Ids of the models, by service. */
  readonly models?: Readonly<Record<string, readonly string[]>>;
  /** The version in its capabilities. Default `1.0`. */
  readonly protocolVersion?: string;
  /** Requests worked on at once; the others wait. Default: no limit, and the capabilities say 1, as real nodes do. */
  readonly maxConcurrency?: number;
  /** Work that each request costs, in milliseconds. Default 0. */
  readonly msPerRequest?: number;
  /** Wait before each word of a generated text, in milliseconds. Default 0. */
  readonly msPerToken?: number;
  /** For so long from the start it is starting, in milliseconds; `Infinity`: until `warm()`. Default 0. */
  readonly warmUpMs?: number;
  /** Larger results of a hub go in chunks of so many bytes. Default 4,194,304 (4 MiB). */
  readonly responseChunkBytes?: number;
  /** Larger messages are refused, by a hub as `OUT_OF_RANGE`, else as `RESOURCE_EXHAUSTED`. Default 4,194,304 (4 MiB). */
  readonly maxRequestBytes?: number;
  /**
   * Announces it by mDNS as `_lumen._tcp` from the start, warm or not: on every interface, or as the options say. The node's
   * `advertisement$` tells how that stands. Default: it does not.
   */
  readonly mdns?: boolean | AdvertiseOptions;
  /** The TXT record. Default: that of the flavour (hub: `v`, `runtime`; Python: `uuid`, `status`, `version`). */
  readonly txt?: Readonly<Record<string, string>>;
  readonly faults?: LumenFaults;
  /** The chance behind `errorRate` and `jitterMs`. Default `Math.random`. */
  readonly random?: () => number;
}

/** The options with their defaults, and what the handlers share. */
export type Parts = Omit<Serving, 'closing' | 'ready' | 'faults' | 'kill'> & {
  readonly maxConcurrency: number;
  readonly protocolVersion: string;
  readonly warmUpMs: number;
  readonly initialFaults: LumenFaults;
};

/** @throws FleetError `INVALID_OPTION` naming the option. */
export function resolveParts(options: LumenNodeOptions): Parts {
  const {
    flavour = 'hub',
    services,
    tasks,
    models,
    msPerToken,
    maxConcurrency,
    faults = {},
    random = Math.random,
  } = options;
  const { msPerRequest = 0, warmUpMs = 0, protocolVersion = '1.0' } = options;
  const { responseChunkBytes = 4_194_304, maxRequestBytes = 4_194_304 } = options;
  const flavours: readonly LumenFlavour[] = ['hub', 'python', 'pythonHub'];
  requireOption(flavours.includes(flavour), 'flavour', `one of ${flavours.join(', ')}`, flavour);
  requireOption(maxConcurrency === undefined || maxConcurrency >= 1, 'maxConcurrency', 'at least 1', maxConcurrency);
  requireOption(responseChunkBytes >= 1, 'responseChunkBytes', 'at least 1', responseChunkBytes);
  requireOption(maxRequestBytes >= 1, 'maxRequestBytes', 'at least 1', maxRequestBytes);
  for (const [field, value] of Object.entries({ msPerRequest, warmUpMs, msPerToken })) {
    requireOption(value === undefined || value >= 0, field, 'at least 0', value);
  }
  const kind = flavour === 'hub' ? 'hub' : 'python';
  return {
    name: options.name ?? `lumen-${kind}-${randomUUID().slice(0, 5)}`,
    flavour,
    services: resolveServices({ flavour, services, tasks, models, msPerToken }),
    slots: new Slots(maxConcurrency ?? Infinity),
    log: new CallLog(),
    msPerRequest,
    responseChunkBytes,
    maxRequestBytes,
    random,
    maxConcurrency: maxConcurrency ?? 1,
    protocolVersion,
    warmUpMs,
    initialFaults: requireFaults(faults),
  };
}
