import { tap, type Observable } from 'rxjs';
import { FleetError } from '../../src/core/fleetError.js';
import type { Node } from '../../src/core/node.js';
import type { NodeSet } from '../../src/core/nodeSet.js';
import { cacheDiscovery, type CacheDiscoveryOptions } from '../../src/discovery/cacheDiscovery.js';
import type { DiscoveryEvent } from '../../src/discovery/discovery.js';
import { marble, type MarbleHelpers } from '../../src/testing/marble.js';
import { drawn, node, set, stale } from './drawn.js';

const x = node('x');
const y = node('y');
const sets = { x: set(x), X: stale(x), y: set(y), b: set(x, y), e: set() };
const told = { x: 'x', X: 'x !', y: 'y', Y: 'y !', b: 'x y', e: 'none' };

const run = (
  { scheduler }: MarbleHelpers,
  set$: Observable<NodeSet>,
  options: CacheDiscoveryOptions = {},
  events: DiscoveryEvent[] = [],
) => {
  const onEvent = (event: DiscoveryEvent) => events.push(event);
  return cacheDiscovery(() => set$, options)({ service: 's', scheduler, onEvent });
};

describe('cacheDiscovery', () => {
  marble('with nothing remembered it is its source', (helpers) => {
    const { cold, expectObservable } = helpers;
    expectObservable(drawn(run(helpers, cold('-x-X-b-|', sets)))).toBe('-x-X-b-|', told);
    expectObservable(drawn(run(helpers, cold('-e-#', sets)))).toBe('-e-#', told);
  });

  marble('a later subscriber starts with what was known, stale, until the source speaks', (helpers) => {
    const { hot, expectObservable, expectSubscriptions } = helpers;
    const set$ = hot('x-y------b-', sets);
    const set$$ = drawn(run(helpers, set$));
    expectObservable(set$$, '^---!').toBe('x-y--', told);
    expectObservable(set$$, '-----^').toBe('-----Y---b-', told);
    expectSubscriptions(set$.subscriptions).toBe(['^---!', '-----^']);
  });

  marble('nothing starts with an empty set', (helpers) => {
    const { hot, expectObservable } = helpers;
    const set$ = drawn(run(helpers, hot('x-e------x-', sets)));
    expectObservable(set$, '^---!').toBe('x-e--', told);
    expectObservable(set$, '-----^').toBe('---------x-', told);
  });

  marble('an unchanged node keeps its object from the remembered set to the fresh one', (helpers) => {
    const { hot, expectObservable, flush } = helpers;
    const again = set(node('x', { address: x.address, lastSeen: 7 }), y);
    const seen: (Node | undefined)[] = [];
    const set$ = run(helpers, hot('x----b----', { x: sets.x, b: again })).pipe(tap((each) => seen.push(each.get('x'))));
    expectObservable(drawn(set$), '^-!').toBe('x--', told);
    expectObservable(drawn(set$), '---^').toBe('---X-b----', told);
    flush();
    expect(seen).toHaveLength(3);
    for (const each of seen) expect(each).toBe(x);
  });

  marble('what is too old is not used, and said so', (helpers) => {
    const { hot, expectObservable, flush } = helpers;
    const events: DiscoveryEvent[] = [];
    const set$ = drawn(run(helpers, hot('x-----------y', sets), { maxAgeMs: 5 }, events));
    expectObservable(set$, '^-!').toBe('x--', told);
    expectObservable(set$, '---------^').toBe('------------y', told);
    flush();
    expect(events.map(({ source, type }) => `${source} ${type}`)).toEqual(['cache skipped']);
  });

  marble('what a connected source said stays young, however long nothing changes', (helpers) => {
    const { hot, expectObservable } = helpers;
    const set$ = drawn(run(helpers, hot('x-------------', sets), { maxAgeMs: 5 }));
    expectObservable(set$, '^---------!').toBe('x----------', told);
    expectObservable(set$, '------------^').toBe('------------X', told);
  });

  marble('it ages from when the source was cut off', (helpers) => {
    const { hot, expectObservable } = helpers;
    const cutOff = sets.x.withStale({ since: 2, reason: 'cut off' });
    const set$ = drawn(run(helpers, hot('x-X-----------', { x: sets.x, X: cutOff }), { maxAgeMs: 5 }));
    expectObservable(set$, '^---------!').toBe('x-X--------', told);
    expectObservable(set$, '------------^').toBe('-------------', told);
  });

  marble('a refusal comes through, also behind what was remembered', (helpers) => {
    const { hot, expectObservable } = helpers;
    const refused = new FleetError('UNAUTHENTICATED', 'refused');
    const set$ = drawn(run(helpers, hot('x-----#', sets, refused)));
    expectObservable(set$, '^-!').toBe('x--', told);
    expectObservable(set$, '---^').toBe('---X--#', told, refused);
  });

  marble('equal sets are told once', (helpers) => {
    const { cold, expectObservable } = helpers;
    expectObservable(drawn(run(helpers, cold('x-x-x-', sets)))).toBe('x-----', told);
  });

  marble('services do not mix', (helpers) => {
    const { scheduler, hot, expectObservable } = helpers;
    const set$ = hot('x------', sets);
    const discovery = cacheDiscovery(() => set$);
    expectObservable(drawn(discovery({ service: 's', scheduler })), '^-!').toBe('x--', told);
    expectObservable(drawn(discovery({ service: 't', scheduler })), '---^').toBe('-------', told);
    expectObservable(drawn(discovery({ service: 's', namespace: 'n', scheduler })), '---^').toBe('-------', told);
  });
});
