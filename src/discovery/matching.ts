/**
 * What a call asks of its node, in the words of discovery: groups, tags, versions, zones.
 *
 * The `where…` operators narrow what a whole client sees; this narrows it for one call, and a chain of conditions is `allOf`.
 */

import type { Requirement } from '../balancer/picker.js';
import type { Node } from '../core/node.js';
import { requireOption } from '../core/requireOption.js';
import { tagFilter, type TagFilter } from './tagFilter.js';
import { exactVersionTest, versionTest } from './versionTest.js';

/** All that is given must hold. */
export interface Matching {
  /** Each must be met by the tags of the node: `'gpu'`, `'env=prod'`, `'zone-*'`, a RegExp, `{ key, value, pattern }`. */
  readonly tags?: TagFilter | readonly TagFilter[];
  /** The same for its metadata. */
  readonly metadata?: TagFilter | readonly TagFilter[];
  /** A range of versions, such as `^1.4`; `{ exact }` for one version as text. */
  readonly version?: string | { readonly exact: string };
  readonly zone?: string | readonly string[];
  readonly namespace?: string | readonly string[];
  readonly service?: string;
}

/**
 * A condition for the `requires` of a call.
 *
 * ```ts
 * greeter.sayHello(request, { requires: matching({ metadata: 'group=canary', version: '^2' }) });
 * ```
 *
 * Equal conditions have equal names, so that pickers keep one list of nodes for all calls that bear them. fyer-rpc's groups,
 * `TagRouter` and `VersionRouter` are this.
 *
 * @throws FleetError `INVALID_OPTION` for a condition that makes no sense, naming its place, or for none at all.
 */
export function matching(conditions: Matching): Requirement {
  const { tags, metadata, version, zone, namespace, service } = conditions;
  const names: string[] = [];
  const tests: ((node: Node) => boolean)[] = [];
  const add = (name: string, test: (node: Node) => boolean) => {
    names.push(name);
    tests.push(test);
  };
  for (const filter of listed(tags)) {
    const test = tagFilter(filter, 'matching.tags');
    add(`tag ${shown(filter)}`, (node) => test(node.tags));
  }
  for (const filter of listed(metadata)) {
    const test = tagFilter(filter, 'matching.metadata');
    add(`metadata ${shown(filter)}`, (node) => test(node.metadata));
  }
  if (typeof version === 'string') add(`version ${version}`, versionTest(version, 'matching.version'));
  else if (version) add(`version ${version.exact} exactly`, exactVersionTest(version.exact));
  if (zone !== undefined) add(...oneOf('zone', zone));
  if (namespace !== undefined) add(...oneOf('namespace', namespace));
  if (service !== undefined) add(...oneOf('service', service));
  requireOption(tests.length > 0, 'matching', 'given at least one condition', JSON.stringify(conditions));
  return { name: names.join(', '), test: (node) => tests.every((test) => test(node)) };
}

/**
 * All of these conditions: fyer-rpc's chain of selectors.
 *
 * @throws FleetError `INVALID_OPTION` when there is none.
 */
export function allOf(...requirements: readonly Requirement[]): Requirement {
  requireOption(requirements.length > 0, 'allOf', 'given at least one requirement', 'none');
  return {
    name: requirements.map(({ name }) => name).join(', '),
    test: (node) => requirements.every(({ test }) => test(node)),
  };
}

function listed(filters: TagFilter | readonly TagFilter[] | undefined): readonly TagFilter[] {
  if (filters === undefined) return [];
  return Array.isArray(filters) ? (filters as readonly TagFilter[]) : [filters as TagFilter];
}

function oneOf(field: 'zone' | 'namespace' | 'service', wanted: string | readonly string[]) {
  const names = [wanted].flat();
  requireOption(names.length > 0 && !names.includes(''), `matching.${field}`, 'a name', JSON.stringify(wanted));
  return [`${field} ${names.join(' or ')}`, (node: Node) => names.includes(node[field] ?? '')] as const;
}

function shown(filter: TagFilter): string {
  if (typeof filter === 'string') return filter;
  if (filter instanceof RegExp) return String(filter);
  const { key, value, pattern = 'exact' } = filter;
  if (value === undefined) return key;
  return `${key} ${pattern === 'exact' ? '=' : pattern} ${String(value)}`;
}
