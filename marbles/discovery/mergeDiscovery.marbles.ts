import { map, type Observable } from 'rxjs';
import { FleetError } from '../../src/core/fleetError.js';
import { createNode, type Node } from '../../src/core/node.js';
import { NodeSet } from '../../src/core/nodeSet.js';
import type { Discovery } from '../../src/discovery/discovery.js';
import { mergeDiscovery } from '../../src/discovery/mergeDiscovery.js';
import { marble, type MarbleHelpers } from '../../src/testing/marble.js';

const node = (source: string, id: string, ...ports: number[]): Node =>
  createNode({ id, addresses: ports.map((port) => `127.0.0.1:${port}`), sources: [source] });

const x = node('a', 'x', 1);
const hub = node('b', 'hub', 1);
const z = node('b', 'z', 2);

type Sets = Record<string, NodeSet>;
const set = (...nodes: Node[]) => NodeSet.of(nodes);
const stale = (reason: string, ...nodes: Node[]) => NodeSet.of(nodes, { since: 1, reason });

/** `x[a,b]` is node x, listed by a and b; a `!` behind says why it is stale. */
const drawn = (set$: Observable<NodeSet>) =>
  set$.pipe(
    map((set) => {
      const nodes = set.nodes.map(({ id, sources }) => `${id}[${sources.join()}]`).join(' ');
      return (nodes || 'none') + (set.stale ? ` !${set.stale.reason}` : '');
    }),
  );

const run = ({ scheduler }: MarbleHelpers, ...set$: Observable<NodeSet>[]) =>
  drawn(
    mergeDiscovery(
      ...set$.map(
        (each$): Discovery =>
          () =>
            each$,
      ),
    )({ service: 's', scheduler }),
  );

describe('mergeDiscovery', () => {
  marble('the same node of two sources stands once, under the name of the earlier listed', (helpers) => {
    const { cold, expectObservable } = helpers;
    const a$ = cold('  a-------', { a: set(x) } as Sets);
    const b$ = cold('  --b--c--', { b: set(hub, z), c: set(hub) } as Sets);
    expectObservable(run(helpers, a$, b$)).toBe('a-d--e--', { a: 'x[a]', d: 'x[a,b] z[b]', e: 'x[a,b]' });
  });

  marble('waits for nobody: whoever speaks first is heard', (helpers) => {
    const { cold, expectObservable } = helpers;
    const never$ = cold<NodeSet>('-------');
    const b$ = cold('            --b----', { b: set(z) });
    expectObservable(run(helpers, never$, b$)).toBe('--b----', { b: 'z[b]' });
  });

  marble('silent sources give a silent union', (helpers) => {
    helpers.expectObservable(run(helpers, helpers.cold<NodeSet>('-'), helpers.cold<NodeSet>('-')), '^----!').toBe('-');
  });

  marble('an empty set of one source does not hide the nodes of the other', (helpers) => {
    const { cold, expectObservable } = helpers;
    const a$ = cold('  a--b----', { a: set(x), b: set() });
    const b$ = cold('  -b------', { b: set(z) });
    expectObservable(run(helpers, a$, b$)).toBe('ab-c----', { a: 'x[a]', b: 'x[a] z[b]', c: 'z[b]' });
  });

  marble('empty when all are', (helpers) => {
    const { cold, expectObservable } = helpers;
    expectObservable(run(helpers, cold('a--', { a: set() }), cold('-a-', { a: set() }))).toBe('a--', { a: 'none' });
  });

  marble('equal sets are told once', (helpers) => {
    const { cold, expectObservable } = helpers;
    const a$ = cold('  a-b-c---', { a: set(x), b: set(x), c: set(node('a', 'x', 1)) });
    expectObservable(run(helpers, a$)).toBe('a-------', { a: 'x[a]' });
  });

  marble('a node stays while any source lists it, and then bears the name it has there', (helpers) => {
    const { cold, expectObservable } = helpers;
    const a$ = cold('  a--b--', { a: set(x), b: set() });
    const b$ = cold('  -b--c-', { b: set(hub), c: set() });
    expectObservable(run(helpers, a$, b$)).toBe('ab-cd-', { a: 'x[a]', b: 'x[a,b]', c: 'hub[b]', d: 'none' });
  });

  marble('a link between two sources through a third is found, and lost with it', (helpers) => {
    const { cold, expectObservable } = helpers;
    const a$ = cold('  a-----', { a: set(node('a', 'x', 1)) });
    const b$ = cold('  -b-c--', { b: set(node('b', 'y', 1, 2)), c: set() });
    const c$ = cold('  --c---', { c: set(node('c', 'z', 2)) });
    expectObservable(run(helpers, a$, b$, c$)).toBe('abcd--', {
      a: 'x[a]',
      b: 'x[a,b]',
      c: 'x[a,b,c]',
      d: 'x[a] z[c]',
    });
  });

  marble('stale while any source is; the reason names it', (helpers) => {
    const { cold, expectObservable } = helpers;
    const a$ = cold('  a---b-c---', { a: set(x), b: stale('cut off', x), c: set(x) });
    const b$ = cold('  -b--------', { b: set(z) });
    expectObservable(run(helpers, a$, b$)).toBe('ab--c-b---', {
      a: 'x[a]',
      b: 'x[a] z[b]',
      c: 'x[a] z[b] !a: cut off',
    });
  });

  marble('equal stale sets are told once', (helpers) => {
    const { cold, expectObservable } = helpers;
    const a$ = cold('  a-b-c-d-', { a: set(x), b: stale('off', x), c: stale('off', x), d: stale('still off', x) });
    expectObservable(run(helpers, a$)).toBe('a-b---d-', { a: 'x[a]', b: 'x[a] !a: off', d: 'x[a] !a: still off' });
  });

  marble('a source that fails leaves its last set as stale, and the others go on', (helpers) => {
    const { cold, expectObservable, expectSubscriptions } = helpers;
    const a$ = cold('  a--#     ', { a: set(x) }, new FleetError('UNAUTHENTICATED', 'refused'));
    const b$ = cold('  -b---c---', { b: set(z), c: set() });
    expectObservable(run(helpers, a$, b$), '^-------!').toBe('ab-d-e---', {
      a: 'x[a]',
      b: 'x[a] z[b]',
      d: 'x[a] z[b] !a: refused',
      e: 'x[a] !a: refused',
    });
    expectSubscriptions(a$.subscriptions).toBe('^--!');
    expectSubscriptions(b$.subscriptions).toBe('^-------!');
  });

  marble('errors when all have failed, and says why each did', (helpers) => {
    const { cold, expectObservable } = helpers;
    const a$ = cold<NodeSet>('-#', {}, new FleetError('UNAUTHENTICATED', 'refused'));
    const b$ = cold<NodeSet>('---#', {}, new FleetError('DISCOVERY_FAILED', 'no such file'));
    const expected = new FleetError(
      'DISCOVERY_FAILED',
      'every discovery failed: discovery 1: refused; discovery 2: no such file',
      { cause: new FleetError('UNAUTHENTICATED', 'refused') },
    );
    expectObservable(run(helpers, a$, b$)).toBe('---#', {}, expected);
  });

  marble('completes when all have ended', (helpers) => {
    const { cold, expectObservable } = helpers;
    expectObservable(run(helpers, cold('a-|', { a: set(x) }), cold('-b--|', { b: set(z) }))).toBe('ab--|', {
      a: 'x[a]',
      b: 'x[a] z[b]',
    });
  });

  marble('unsubscribing leaves every source', (helpers) => {
    const { cold, expectObservable, expectSubscriptions } = helpers;
    const a$ = cold('a---', { a: set(x) });
    const b$ = cold('----', {});
    expectObservable(run(helpers, a$, b$ as never), '-^--!').toBe('-a', { a: 'x[a]' });
    expectSubscriptions(a$.subscriptions).toBe('-^--!');
    expectSubscriptions(b$.subscriptions).toBe('-^--!');
  });
});
