/** The nodes of certain versions: exactly one, a range, or the preferred ones with a fallback. */

import type { OperatorFunction } from 'rxjs';
// The two parts that are needed: the whole package takes twice as long to load.
import Range from 'semver/classes/range.js';
import valid from 'semver/functions/valid.js';
import { FleetError } from '../core/fleetError.js';
import type { Node } from '../core/node.js';
import type { NodeSet } from '../core/nodeSet.js';
import { requireOption } from '../core/requireOption.js';
import { preferNodes, type Choice, type PreferNodesOptions } from './preferNodes.js';

/** What is asked of a version. `exact`, `range` and the choice of `prefer` and `fallback` must all hold. */
export interface VersionRule extends PreferNodesOptions {
  /** This version and no other, as text; a leading `v` counts on neither side. It need not be a semantic version. */
  readonly exact?: string;
  /** A range of semantic versions, such as `^1.4`, `1.x || >=2.5.0`, `~1.4.2`. */
  readonly range?: string;
  /** The range to take while any of its nodes can take calls. */
  readonly prefer?: string;
  /** What to take else: a range, ranges in turn, `any` version, or `none`. Default `any`. Only with `prefer`. */
  readonly fallback?: string | readonly string[];
  /** What becomes of nodes without a version, or with one that no range can judge. Default `drop`. */
  readonly unversioned?: 'drop' | 'keep';
  /** Lets pre-releases such as `1.5.0-rc.1` into ranges that do not name them. Default false, as npm does it. */
  readonly includePrerelease?: boolean;
}

/**
 * Keeps the nodes whose version fits: a range as text, or a rule.
 *
 *     nodes$                                         a-----b---      a = x(v1.4.2) y(1.3.0)   b = y(1.3.0)
 *     ('^1.4')                                       a-----b---      a = x                    b = none
 *     ({ prefer: '^1.4', fallback: '^1' })           a-----b---      a = x                    b = y
 *
 * Ranges are those of npm (the `semver` package). A leading `v` and missing parts (`1.4`) are tolerated in the nodes'
 * versions. `exact` takes anything, such as `canary`. A fall back and the way back are as in `preferNodes`.
 *
 * ```ts
 * (query) => consul()(query).pipe(whereVersion({ prefer: '2.x', fallback: '^1.4', onChoice: ({ name }) => log(name) }));
 * ```
 *
 * @throws FleetError `INVALID_OPTION` for a text that is no range, or a rule that asks for nothing.
 */
export function whereVersion(wanted: string | VersionRule): OperatorFunction<NodeSet, NodeSet> {
  const rule: VersionRule = typeof wanted === 'string' ? { range: wanted } : wanted;
  const { exact, range, prefer, fallback = 'any' } = rule;
  const asked = exact !== undefined || range !== undefined || prefer !== undefined;
  requireOption(asked, 'whereVersion', 'a range, or { exact, range or prefer }', JSON.stringify(wanted));
  requireOption(
    prefer !== undefined || rule.fallback === undefined,
    'fallback',
    'given together with prefer',
    fallback,
  );
  const required = [
    ...(exact === undefined ? [] : [isExactly(exact)]),
    ...(range === undefined ? [] : [isWithin(range, 'range', rule)]),
  ];
  const choices: Choice[] = [];
  const offer = (name: string, test: (node: Node) => boolean) =>
    choices.push({ name, test: (node) => required.every((holds) => holds(node)) && test(node) });

  if (prefer === undefined) {
    offer(`version ${exact ?? range}`, () => true);
  } else {
    offer(`version ${prefer}`, isWithin(prefer, 'prefer', rule));
    for (const next of [fallback].flat()) {
      if (next === 'any') offer('any version', (node) => node.version !== undefined || rule.unversioned === 'keep');
      else if (next !== 'none') offer(`version ${next}`, isWithin(next, 'fallback', rule));
    }
  }
  return preferNodes(choices, rule);
}

function isExactly(exact: string): (node: Node) => boolean {
  requireOption(typeof exact === 'string' && exact !== '', 'exact', 'a version', JSON.stringify(exact));
  const wanted = plain(exact);
  return ({ version }) => version !== undefined && plain(version) === wanted;
}

function isWithin(text: string, field: string, rule: VersionRule): (node: Node) => boolean {
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
