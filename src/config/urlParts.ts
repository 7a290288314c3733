/** A URL of a backend taken apart. Several hosts may stand in it, so it is none that `new URL()` would read. */

import { FleetError } from '../core/fleetError.js';
import { withoutCredentials } from './withoutCredentials.js';

/** The parts, their percent-encoding undone. */
export interface UrlParts {
  /** What stood before the host, before and after the colon. */
  readonly user: string | undefined;
  readonly password: string | undefined;
  /** The hosts, with their ports where they have one. */
  readonly hosts: readonly string[];
  /** The path without its slashes at the ends, one text a segment. */
  readonly segments: readonly string[];
  /** The path as it stands. */
  readonly path: string;
  readonly query: Readonly<Record<string, string | readonly string[]>>;
}

/** Takes apart what comes after the scheme and its colon. */
export function urlParts(rest: string, url: string): UrlParts {
  const parts = /^(?:\/\/([^/?]*))?([^?]*)(?:\?(.*))?$/s.exec(rest);
  const [, authority = '', path = '', search = ''] = parts ?? [];
  const at = authority.lastIndexOf('@');
  const [user, ...password] = at < 0 ? [] : authority.slice(0, at).split(':');
  try {
    return {
      user: user === undefined ? undefined : decodeURIComponent(user),
      password: password.length === 0 ? undefined : decodeURIComponent(password.join(':')),
      hosts: authority
        .slice(at + 1)
        .split(',')
        .map((host) => host.trim())
        .filter((host) => host !== ''),
      path: decodeURIComponent(path),
      segments: path
        .split('/')
        .filter((segment) => segment !== '')
        .map(decodeURIComponent),
      query: queryOf(search),
    };
  } catch (cause) {
    const message = `${withoutCredentials(url)} has a % that begins no code such as %2F; write it as %25`;
    throw new FleetError('INVALID_OPTION', message, { cause });
  }
}

function queryOf(search: string): Record<string, string | readonly string[]> {
  const query: Record<string, string | readonly string[]> = {};
  for (const [key, value] of new URLSearchParams(search)) {
    const before = query[key];
    query[key] = before === undefined ? value : [...[before].flat(), value];
  }
  return query;
}
