/** What counts in a configuration, and where each of it came from. */

import { isRecord } from '../discovery/readNode.js';
import { readConfig, variableOf, type EffectiveSetting } from './readConfig.js';
import type { ConfigSource } from './configSource.js';

/** One setting that counts. */
export interface ExplainedSetting {
  /** Such as `discovery.backend_config.endpoints`. */
  readonly path: string;
  /** As people would write it; `(hidden)` where it is a secret. */
  readonly value: unknown;
  /** `default`, `file fleet.toml`, `object`, `env RXFLEET_…`, `url` or `url of …`. */
  readonly origin: string;
  /** The environment variable that would set it. */
  readonly variable: string;
  /** What there is to say about it. */
  readonly note?: string;
}

/**
 * Every setting of a configuration that has a value, in the order of the schema. Secrets are not shown, nor are the
 * credentials in URLs.
 *
 * ```ts
 * for (const { path, value, origin } of explainConfig('fleet.toml')) console.log(path, value, origin);
 * ```
 *
 * @throws FleetError `INVALID_OPTION` as `createFleetFromConfig()` does.
 */
export function explainConfig(source: ConfigSource): readonly ExplainedSetting[] {
  return readConfig(source).settings.map(explained);
}

function explained({ path, setting, value, origin }: EffectiveSetting): ExplainedSetting {
  const note = setting.note?.(value) as string | undefined;
  return {
    path,
    value: setting.secret ? '(hidden)' : plainText(setting.show(value)),
    origin,
    variable: variableOf(path),
    ...(note === undefined ? {} : { note }),
  };
}

/** Regular expressions have no form in JSON. */
function plainText(value: unknown): unknown {
  if (value instanceof RegExp) return String(value);
  if (Array.isArray(value)) return value.map(plainText);
  if (!isRecord(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, plainText(each)]));
}
