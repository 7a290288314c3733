/** Whether the version of a node is the one that is wanted, or within a range. */

// The two parts that are needed: the whole package takes twice as long to load.
import Range from 'semver/classes/range.js';
import valid from 'semver/functions/valid.js';
import { FleetError } from '../core/fleetError.js';
import type { Node } from '../core/node.js';
import { requireOption } from '../core/requireOption.js';

/** How versions are judged that are none, or no releases. */
export interface VersionTestRule {
  /** What becomes of nodes without a version, or with one that no range can judge. Default `drop`. */
  readonly unversioned?: 'drop' | 'keep';
  /** Lets pre-releases such as `1.5.0-rc.1` into ranges that do not name them. Default false, as npm does it. */
  readonly includePrerelease?: boolean;
}

/** The test of a version that is taken as it stands, but for a leading `v`. */
export function exactVersionTest(exact: string): (node: Node) => boolean {
  requireOption(typeof exact === 'string' && exact !== '', 'exact', 'a version', JSON.stringify(exact));
  const wanted = plain(exact);
  return ({ version }) => version !== undefined && plain(version) === wanted;
}

/**
 * The test of a range.
 *
 * @throws FleetError `INVALID_OPTION` for a text that is no range, naming the field.
 */
export function versionTest(text: string, field: string, rule: VersionTestRule = {}): (node: Node) => boolean {
  const options = { includePrerelease: rule.includePrerelease ?? false };
  const range = parsed(text, field, options);
  const unversioned = rule.unversioned === 'keep';
  // A fleet has many nodes and few versions.
  const known = new Map<string, boolean>();
  return ({ version }) => {
    if (version === undefined) return unversioned;
    let fits = known.get(version);
    if (fits === undefined) {
      const complete = completed(version);
      fits = complete === undefined ? unversioned : range.test(complete);
      if (known.size >= 1_000) known.clear();
      known.set(version, fits);
    }
    return fits;
  };
}

function parsed(text: string, field: string, options: { readonly includePrerelease: boolean }): Range {
  try {
    // An empty text would be any version; who means that writes *.
    if (typeof text === 'string' && text.trim() !== '') return new Range(text, options);
  } catch {
    // Said below.
  }
  throw new FleetError(
    'INVALID_OPTION',
    `${field} ${JSON.stringify(text)} is no range of versions: write "^1.4", "1.x || 2.x", or { exact } for other texts`,
  );
}

/** `v1.4` as `1.4.0`; undefined for what is no version. */
function completed(version: string): string | undefined {
  const text = plain(version);
  const parts = /^(\d+)(\.\d+)?$/.exec(text);
  return valid(parts ? `${parts[1]}${parts[2] ?? '.0'}.0` : text) ?? undefined;
}

function plain(version: string): string {
  return version.trim().replace(/^[vV](?=\d)/, '');
}
