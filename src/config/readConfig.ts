/** A configuration understood: every setting that counts, with where it came from. */

import { FleetError } from '../core/fleetError.js';
import { isRecord } from '../discovery/readNode.js';
import type { Backend } from './backend.js';
import { backendUrl } from './backendUrl.js';
import { didYouMean } from './nearest.js';
import { backendOfName, backends, fleetSection, serviceSection } from './fleetConfig.js';
import { isSetting, plain, wrong, type AnySetting, type Section } from './setting.js';
import { layersOf, sourcesOf, type ConfigLayer, type ConfigSource } from './configSource.js';

/** A setting that counts. */
export interface EffectiveSetting {
  /** Such as `discovery.backend_config.endpoints`. */
  readonly path: string;
  readonly setting: AnySetting;
  readonly value: unknown;
  /** `default`, `file fleet.toml`, `object`, `env RXFLEET_…`, `url` or `url of …`. */
  readonly origin: string;
}

/** Everything that counts. */
export interface ReadConfig {
  readonly backend: Backend;
  /** Those with a value, in the order of the schema. */
  readonly settings: readonly EffectiveSetting[];
  /** The values as tables, as the schema has them. */
  readonly values: Readonly<Record<string, unknown>>;
}

interface Written {
  readonly value: unknown;
  readonly origin: string;
}

const backendPath = 'discovery.backend_config';

/**
 * Reads all sources and puts them on top of each other.
 *
 * @throws FleetError `INVALID_OPTION` with the path of the setting that is not known or makes no sense, where it stands,
 *   and what may have been meant.
 */
export function readConfig(source: ConfigSource): ReadConfig {
  const sources = sourcesOf(source);
  const layers = layersOf(sources);
  const common = settingsOf(fleetSection, '');
  const env = sources.env ?? {};
  // Which backend it is decides what else is known.
  const early = new Map<string, Written>();
  for (const layer of layers) collect(layer, { ...fleetSection, discovery: openDiscovery }, early);
  fromEnv(env, common, early);
  const url = early.get('discovery.url');
  const named = early.get('discovery.backend');
  const fromUrl = url && backendUrl(String(url.value), url.origin);
  if (!named && !fromUrl) {
    const names = backends.map(({ name }) => name).join(', ');
    throw new FleetError('INVALID_OPTION', `discovery.backend must be given: one of ${names}; or discovery.url`);
  }
  const backend = fromUrl ? fromUrl.backend : backendOfName(named!.value, `discovery.backend (${named!.origin})`);
  if (fromUrl && named && backendOfName(named.value, 'discovery.backend') !== backend) {
    throw new FleetError(
      'INVALID_OPTION',
      `discovery.backend is ${String(named.value)}, and discovery.url of ${backend.name}`,
    );
  }

  const section = { ...backend.section, ...serviceSection } as Section;
  const schema: Section = { ...fleetSection, discovery: { ...fleetSection.discovery, backend_config: section } };
  const known = settingsOf(schema, '');
  const written = new Map<string, Written>();
  if (fromUrl) {
    const { service, namespace, tags, version } = fromUrl;
    const settings = { ...fromUrl.settings, ...defined({ service_type: service }) };
    const origin = originOf(url!);
    collect(
      { origin: 'default', document: { discovery: { backend_config: backend.urlDefaults ?? {} } } },
      schema,
      written,
    );
    const discovery = {
      backend_config: defined(settings),
      ...(namespace === undefined ? {} : { namespace: { default: namespace } }),
      ...(version === undefined ? {} : { version: { default: version } }),
      ...(tags.length === 0 ? {} : { tag_filters: tags }),
    };
    collect({ origin, document: { discovery } }, schema, written);
  }
  for (const layer of layers) collect(layer, schema, written);
  fromEnv(env, known, written);
  refuseForeign(env, known);
  if (fromUrl && !named) written.set('discovery.backend', { value: backend.name, origin: originOf(url!) });

  const settings: EffectiveSetting[] = [];
  const values: Record<string, unknown> = {};
  for (const [path, setting] of known) {
    const given = written.get(path);
    const value: unknown = given ? read(setting, path, given) : setting.fallback;
    if (value !== undefined) settings.push({ path, setting, value, origin: given?.origin ?? 'default' });
    put(values, path, value);
  }
  return { backend, settings, values };
}

/** What is said of settings that stand in a URL. */
function originOf({ origin }: Written): string {
  return origin === 'object' ? 'url' : `url of ${origin}`;
}

/** In the first reading `backend_config` may hold anything. */
const openDiscovery = { ...fleetSection.discovery, backend_config: {} } as Section;

function read(setting: AnySetting, path: string, { value, origin }: Written): unknown {
  let found: unknown;
  try {
    found = setting.read(value, path);
  } catch (error) {
    if (!(error instanceof FleetError)) throw error;
    throw new FleetError(error.code, `${error.detail} (${origin})`, { cause: error });
  }
  if (found === undefined) throw wrong(path, setting.rule, value, origin, setting.secret);
  return found;
}

/** Every setting under a section, by its path. */
function settingsOf(section: Section, path: string, into = new Map<string, AnySetting>()): Map<string, AnySetting> {
  for (const [name, entry] of Object.entries(section)) {
    const at = path ? `${path}.${name}` : name;
    if (isSetting(entry)) into.set(at, entry);
    else settingsOf(entry, at, into);
  }
  return into;
}

/** What a document says, by path; a later one takes the place of an earlier. */
function collect({ document, origin }: ConfigLayer, section: Section, into: Map<string, Written>, path = ''): void {
  for (const [name, value] of Object.entries(document)) {
    // A key without a value says nothing; TOML has none, YAML has.
    if (value === undefined || value === null) continue;
    const at = path ? `${path}.${name}` : name;
    const key = keyOf(section, name);
    if (key === undefined) throw unknown(at, name, section, path, origin);
    const canonical = path ? `${path}.${key}` : key;
    const entry = section[key]!;
    if (isSetting(entry)) into.set(canonical, { value, origin });
    else if (isRecord(value)) {
      // A table that can be switched off is on when it stands there.
      const enabled = `${canonical}.enabled`;
      if ('enabled' in entry && !into.has(enabled)) into.set(enabled, { value: true, origin });
      if (canonical !== backendPath || Object.keys(entry).length > 0) {
        collect({ document: value, origin }, entry, into, canonical);
      }
    } else throw wrong(at, 'a table', value, origin);
  }
}

function keyOf(section: Section, name: string): string | undefined {
  const asked = plain(name);
  return (
    Object.keys(section).find((key) => plain(key) === asked) ??
    Object.entries(section).find(
      ([, entry]) => isSetting(entry) && entry.aliases.some((alias) => plain(alias) === asked),
    )?.[0]
  );
}

function unknown(at: string, name: string, section: Section, path: string, origin: string): FleetError {
  const known = Object.keys(section);
  const owners = path === backendPath ? backends.filter((each) => keyOf(each.section as Section, name)) : [];
  const owned = owners.length > 0 ? `: it is a setting of ${owners.map((each) => each.name).join(' and ')}` : '';
  const others = Object.values(section).flatMap((entry) => (isSetting(entry) ? entry.aliases : []));
  const hint = didYouMean(name, known) || didYouMean(name, others) || `; known here are ${known.join(', ')}`;
  return new FleetError('INVALID_OPTION', `${at} is not known${owned}${owned ? '' : hint} (${origin})`);
}

/** The environment variable of a setting. */
export function variableOf(path: string): string {
  return `RXFLEET_${path.replaceAll('.', '_').toUpperCase()}`;
}

function fromEnv(
  env: Readonly<Record<string, string | undefined>>,
  known: ReadonlyMap<string, AnySetting>,
  into: Map<string, Written>,
): void {
  for (const path of known.keys()) {
    const name = variableOf(path);
    const value = env[name];
    // An empty variable is how a shell says nothing.
    if (value === undefined || value === '') continue;
    const origin = `env ${name}`;
    into.set(path, { value, origin });
    const enabled = `${path.slice(0, path.lastIndexOf('.'))}.enabled`;
    if (known.has(enabled) && !into.has(enabled)) into.set(enabled, { value: true, origin });
  }
}

/** A slip in the name of a variable must not pass unseen. Other programs' variables are theirs. */
function refuseForeign(
  env: Readonly<Record<string, string | undefined>>,
  known: ReadonlyMap<string, AnySetting>,
): void {
  const variables = [...known.keys()].map(variableOf);
  for (const [name, value] of Object.entries(env)) {
    if (!/^RXFLEET_(DISCOVERY|TRANSPORT|CALLS)_/.test(name) || value === undefined || value === '') continue;
    if (!variables.includes(name)) {
      throw new FleetError('INVALID_OPTION', `${name} is not known${didYouMean(name, variables)} (env)`);
    }
  }
}

function put(values: Record<string, unknown>, path: string, value: unknown): void {
  const names = path.split('.');
  let table = values;
  for (const name of names.slice(0, -1)) table = (table[name] ??= {}) as Record<string, unknown>;
  table[names.at(-1)!] = value;
}

function defined(settings: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined));
}
