/** The nodes of certain versions: exactly one, a range, or the preferred ones with a fallback. */

import type { OperatorFunction } from 'rxjs';
import type { Node } from '../core/node.js';
import type { NodeSet } from '../core/nodeSet.js';
import { requireOption } from '../core/requireOption.js';
import { preferNodes, type Choice, type PreferNodesOptions } from './preferNodes.js';
import { exactVersionTest, versionTest, type VersionTestRule } from './versionTest.js';

/** What is asked of a version. `exact`, `range` and the choice of `prefer` and `fallback` must all hold. */
export interface VersionRule extends PreferNodesOptions, VersionTestRule {
  /** This version and no other, as text; a leading `v` counts on neither side. It need not be a semantic version. */
  readonly exact?: string;
  /** A range of semantic versions, such as `^1.4`, `1.x || >=2.5.0`, `~1.4.2`. */
  readonly range?: string;
  /** The range to take while any of its nodes can take calls. */
  readonly prefer?: string;
  /** What to take else: a range, ranges in turn, `any` version, or `none`. Default `any`. Only with `prefer`. */
  readonly fallback?: string | readonly string[];
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
    ...(exact === undefined ? [] : [exactVersionTest(exact)]),
    ...(range === undefined ? [] : [versionTest(range, 'range', rule)]),
  ];
  const choices: Choice[] = [];
  const offer = (name: string, test: (node: Node) => boolean) =>
    choices.push({ name, test: (node) => required.every((holds) => holds(node)) && test(node) });

  if (prefer === undefined) {
    offer(`version ${exact ?? range}`, () => true);
  } else {
    offer(`version ${prefer}`, versionTest(prefer, 'prefer', rule));
    for (const next of [fallback].flat()) {
      if (next === 'any') offer('any version', (node) => node.version !== undefined || rule.unversioned === 'keep');
      else if (next !== 'none') offer(`version ${next}`, versionTest(next, 'fallback', rule));
    }
  }
  return preferNodes(choices, rule);
}
