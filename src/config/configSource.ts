/** Where a configuration comes from, and each source as a document. */

import { readFileSync } from 'node:fs';
import { FleetError } from '../core/fleetError.js';
import { formatOf, parseDocument } from '../discovery/file/parseDocument.js';
import { isRecord } from '../discovery/readNode.js';
import { plain } from './setting.js';
import type { FleetConfig } from './fleetConfig.js';

/** Several sources: each setting counts as the last of them gives it, in this order. */
export interface ConfigSources {
  /** The path of a TOML, YAML or JSON file. */
  readonly file?: string;
  /** A configuration made by the program. */
  readonly config?: FleetConfig;
  /**
   * Environment variables, such as `process.env`. Each setting has one: its path in capitals, with `_` for each dot, after
   * `RXFLEET_`, such as `RXFLEET_DISCOVERY_BACKEND_CONFIG_ENDPOINTS`. Lists have commas.
   */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/** The path of a file, a configuration, or several sources. */
export type ConfigSource = string | FleetConfig | ConfigSources;

/** One source, read but not understood. */
export interface ConfigLayer {
  /** Such as `file fleet.toml`. */
  readonly origin: string;
  readonly document: Readonly<Record<string, unknown>>;
}

const sourceNames = ['file', 'config', 'env'];

/**
 * The sources apart.
 *
 * @throws FleetError `INVALID_OPTION` for what is none.
 */
export function sourcesOf(source: ConfigSource): ConfigSources {
  if (typeof source === 'string') return { file: source };
  if (!isRecord(source)) {
    throw new FleetError(
      'INVALID_OPTION',
      'a configuration is the path of a file, an object, or { file, config, env }',
    );
  }
  const names = Object.keys(source);
  if (names.length > 0 && names.every((name) => sourceNames.includes(name))) return source as ConfigSources;
  return { config: source as FleetConfig };
}

/**
 * The file and the object as documents. A document that has none of the tables is flare's `[discovery]` itself.
 *
 * @throws FleetError `INVALID_OPTION` for a file that cannot be read or parsed, naming it.
 */
export function layersOf({ file, config }: ConfigSources): readonly ConfigLayer[] {
  const layers: ConfigLayer[] = [];
  if (file !== undefined) layers.push({ origin: `file ${file}`, document: asTables(readConfig(file), `file ${file}`) });
  if (config !== undefined) layers.push({ origin: 'object', document: asTables(config, 'object') });
  return layers;
}

function readConfig(file: string): unknown {
  const format = formatOf(file);
  let content: string;
  try {
    content = readFileSync(file, 'utf8');
  } catch (cause) {
    const message = `the configuration ${file} cannot be read: ${(cause as Error).message}`;
    throw new FleetError('INVALID_OPTION', message, { cause });
  }
  try {
    return parseDocument(content, format);
  } catch (cause) {
    throw new FleetError('INVALID_OPTION', `the configuration ${file}: ${FleetError.from(cause).detail}`, { cause });
  }
}

const tables = ['discovery', 'transport', 'calls'];

function asTables(document: unknown, origin: string): Readonly<Record<string, unknown>> {
  // An empty file says nothing.
  if (document === null || document === undefined) return {};
  if (!isRecord(document)) throw new FleetError('INVALID_OPTION', `the configuration must be a table (${origin})`);
  const names = Object.keys(document).map(plain);
  if (tables.some((table) => names.includes(table))) return document;
  return names.some((name) => name === 'backend' || name === 'backendconfig') ? { discovery: document } : document;
}
