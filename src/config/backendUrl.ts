/** Which backend a URL names, and what it says of it. */

import { FleetError } from '../core/fleetError.js';
import type { Backend, UrlSettings } from './backend.js';
import { didYouMean } from './nearest.js';
import { backends } from './fleetConfig.js';
import { staticBackend } from './backends/static.js';
import { urlParts } from './urlParts.js';
import { withoutCredentials } from './withoutCredentials.js';

/** A URL read. */
export interface BackendUrl extends UrlSettings {
  readonly backend: Backend;
  /** Conditions on labels, as `tag=` gives them. */
  readonly tags: readonly string[];
  /** A version or a range, as `version=` gives it. */
  readonly version: string | undefined;
}

/**
 * Reads `etcd://…`, `consul://…`, … or `host:port,…`.
 *
 * @throws FleetError `INVALID_OPTION` for a scheme that is none; credentials are not shown.
 */
export function backendUrl(url: string, origin: string): BackendUrl {
  const written = url.trim();
  const [, scheme, rest = ''] = /^([a-z][a-z0-9+.-]*):(.*)$/is.exec(written) ?? [];
  const name = scheme?.toLowerCase();
  const backend = backends.find((each) => each.name === name || each.aliases.includes(name ?? ''));
  // `etcd:2379` is a host of that name.
  const isAddress = !/:\/\//.test(written.split('?')[0]!) && /^(\d+)([,/?]|$)/.test(rest);
  if (backend && backend !== staticBackend && !isAddress) return read(backend, rest, written);
  if (written.includes('://') || (scheme !== undefined && !/^\d/.test(rest) && !written.startsWith('['))) {
    const meant = didYouMean(
      name ?? '',
      backends.map((each) => each.name),
    );
    const usage = backends.map((each) => each.usage).join(', ');
    const shown = withoutCredentials(written);
    throw new FleetError('INVALID_OPTION', `${shown} names no backend${meant}: write one of ${usage} (${origin})`);
  }
  if (written === '') throw new FleetError('INVALID_OPTION', `the URL of a backend must not be empty (${origin})`);
  return read(staticBackend, `//${written}`, written);
}

function read(backend: Backend, rest: string, url: string): BackendUrl {
  const parts = urlParts(rest, url);
  if (parts.user !== undefined && !backend.takesUser) {
    throw new FleetError(
      'INVALID_OPTION',
      `${withoutCredentials(url)}: ${backend.name} takes no user; write ${backend.usage}`,
    );
  }
  if (backend.takesUser && parts.path.includes('@')) {
    const message = `${withoutCredentials(url)}: a / in a user or a password is written %2F, and an @ elsewhere %40`;
    throw new FleetError('INVALID_OPTION', message);
  }
  const { settings, service, namespace } = backend.fromUrl(parts);
  const all: Record<string, unknown> = { ...settings };
  const { service: asked, namespace: within, version, tag = [], ...query } = parts.query;
  for (const [name, value] of Object.entries(query)) {
    const [table, field] = name.split('.') as [string, string | undefined];
    if (field === undefined) all[name] = value;
    else all[table] = { ...(all[table] as object | undefined), [field]: value };
  }
  return {
    backend,
    settings: all,
    service: lastOf(asked) ?? service,
    namespace: lastOf(within) ?? namespace,
    tags: [tag].flat(),
    version: lastOf(version),
  };
}

function lastOf(value: string | readonly string[] | undefined): string | undefined {
  return typeof value === 'string' ? value : value?.at(-1);
}
