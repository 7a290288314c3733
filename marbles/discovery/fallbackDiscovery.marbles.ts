import type { Observable } from 'rxjs';
import { FleetError } from '../../src/core/fleetError.js';
import type { NodeSet } from '../../src/core/nodeSet.js';
import type { DiscoveryEvent } from '../../src/discovery/discovery.js';
import { fallbackDiscovery, type FallbackDiscoveryOptions } from '../../src/discovery/fallbackDiscovery.js';
import { marble, type MarbleHelpers } from '../../src/testing/marble.js';
import { drawn, node, set, stale } from './drawn.js';

const x = node('x', { sources: ['etcd'] });
const y = node('y', { sources: ['file'] });
const told = { x: 'x', y: 'y', X: 'x !', e: 'none' };
const sets = { x: set(x), X: stale(x), y: set(y), e: set() };

const run = (
  { scheduler }: MarbleHelpers,
  set$: readonly Observable<NodeSet>[],
  options: FallbackDiscoveryOptions = {},
  events: DiscoveryEvent[] = [],
) => {
  const discoveries = set$.map((each$) => () => each$);
  const onEvent = (event: DiscoveryEvent) => events.push(event);
  return drawn(fallbackDiscovery(...discoveries, { afterMs: 4, ...options })({ service: 's', scheduler, onEvent }));
};

describe('fallbackDiscovery', () => {
  marble('while the first one lists nodes, nobody else is asked', (helpers) => {
    const { cold, expectObservable, expectSubscriptions } = helpers;
    const a$ = cold('-x----X----x--', sets);
    const b$ = cold('y-------------', sets);
    expectObservable(run(helpers, [a$, b$])).toBe('-x----X----x--', told);
    expectSubscriptions(b$.subscriptions).toBe([]);
  });

  marble('one that says nothing in time gives way, and takes the lead back when it speaks', (helpers) => {
    const { cold, expectObservable, expectSubscriptions } = helpers;
    const a$ = cold('--------x--', sets);
    const b$ = cold('    -y-----', sets);
    expectObservable(run(helpers, [a$, b$])).toBe('-----y--x--', told);
    expectSubscriptions(a$.subscriptions).toBe('^');
    expectSubscriptions(b$.subscriptions).toBe('----^---!');
  });

  marble('one that errors gives way at once', (helpers) => {
    const { cold, expectObservable } = helpers;
    const a$ = cold<NodeSet>('-#', {}, new FleetError('UNAUTHENTICATED', 'refused'));
    const b$ = cold('          -y--', sets);
    expectObservable(run(helpers, [a$, b$])).toBe('--y--', told);
  });

  marble('the nodes of one that fails stay, stale, until the next one speaks', (helpers) => {
    const { cold, expectObservable } = helpers;
    const a$ = cold('x-#   ', sets, new FleetError('PERMISSION_DENIED', 'refused'));
    const b$ = cold('  ---y', sets);
    expectObservable(run(helpers, [a$, b$])).toBe('x-X--y', told);
  });

  marble('an empty set at the start waits for what the next one says', (helpers) => {
    const { cold, expectObservable } = helpers;
    const a$ = cold('e-------', sets);
    const b$ = cold('    -y--', sets);
    expectObservable(run(helpers, [a$, b$])).toBe('-----y--', told);
  });

  marble('empty when all say so, or the last one says nothing in time', (helpers) => {
    const { cold, expectObservable } = helpers;
    const b$ = cold('e---', sets);
    const never$ = cold<NodeSet>('-');
    expectObservable(run(helpers, [cold('e--------', sets), b$])).toBe('----e', told);
    expectObservable(run(helpers, [cold('e--------', sets), never$])).toBe('--------e', told);
  });

  marble('a world that empties is told at once, and filled by the next one in time', (helpers) => {
    const { cold, expectObservable } = helpers;
    const a$ = cold('x-e-------x', sets);
    const b$ = cold('      -y---', sets);
    expectObservable(run(helpers, [a$, b$])).toBe('x-e----y--x', told);
  });

  marble('stale is better than another, unless told otherwise', (helpers) => {
    const { cold, expectObservable, expectSubscriptions } = helpers;
    const a$ = cold('x-X---------x', sets);
    const b$ = cold('     -y------', sets);
    expectObservable(run(helpers, [a$, b$], { staleAfterMs: 3 })).toBe('x-X---y-----x', told);
    expectSubscriptions(b$.subscriptions).toBe('-----^------!');
  });

  marble('what is wrong with a discovery may change: each has its own wait', (helpers) => {
    const { cold, expectObservable, expectSubscriptions } = helpers;
    const a$ = cold('e-X-------', sets);
    const b$ = cold('       y--', sets);
    expectObservable(run(helpers, [a$, b$], { staleAfterMs: 5 })).toBe('--X----y--', told);
    expectSubscriptions(b$.subscriptions).toBe('-------^');
  });

  marble('three in order: the second may lead before the first is back', (helpers) => {
    const { cold, expectObservable, expectSubscriptions } = helpers;
    const z = node('z');
    const a$ = cold('-----------------x', sets);
    const b$ = cold('    ---------y   ', sets);
    const c$ = cold('        -z       ', { z: set(z) });
    expectObservable(run(helpers, [a$, b$, c$])).toBe('---------z---y---x', { ...told, z: 'z' });
    expectSubscriptions(b$.subscriptions).toBe('----^------------!');
    expectSubscriptions(c$.subscriptions).toBe('--------^----!');
  });

  marble('each change of the lead is told, by name', (helpers) => {
    const { cold, expectObservable, flush } = helpers;
    const events: DiscoveryEvent[] = [];
    const a$ = cold('x-e--------x', sets);
    const b$ = cold('      y-----', sets);
    expectObservable(run(helpers, [a$, b$], {}, events)).toBe('x-e---y----x', told);
    flush();
    expect(events.map(({ source, type, message }) => `${source} ${type}: ${message}`)).toEqual([
      'fallback disconnected: etcd has nothing: file leads',
      'fallback connected: etcd has nodes again and leads',
    ]);
  });

  marble('errors when all have failed, and says why each did', (helpers) => {
    const { cold, expectObservable } = helpers;
    const a$ = cold<NodeSet>('-#', {}, new FleetError('UNAUTHENTICATED', 'refused'));
    const b$ = cold<NodeSet>('  -#', {}, new FleetError('INVALID_OPTION', 'no such file'));
    const expected = new FleetError(
      'DISCOVERY_FAILED',
      'every discovery failed: discovery 1: refused; discovery 2: no such file',
      { cause: new FleetError('UNAUTHENTICATED', 'refused') },
    );
    expectObservable(run(helpers, [a$, b$])).toBe('--#', {}, expected);
  });

  marble('one that ends with nodes keeps the lead, and nothing more can come', (helpers) => {
    const { cold, expectObservable, expectSubscriptions } = helpers;
    const b$ = cold('y', sets);
    expectObservable(run(helpers, [cold('x-|', sets), b$])).toBe('x-|', told);
    expectSubscriptions(b$.subscriptions).toBe([]);
  });

  marble('one that ends with nothing gives way at once', (helpers) => {
    const { cold, expectObservable } = helpers;
    expectObservable(run(helpers, [cold('-|', sets), cold('y-|', sets)])).toBe('-y-|', told);
    expectObservable(run(helpers, [cold('e|', sets), cold('e|', sets)])).toBe('-e|', told);
  });

  marble('equal sets are told once', (helpers) => {
    const { cold, expectObservable } = helpers;
    expectObservable(run(helpers, [cold('x-x-x-', sets)])).toBe('x-----', told);
  });

  marble('unsubscribing leaves whoever was asked, and the waits', (helpers) => {
    const { cold, expectObservable, expectSubscriptions } = helpers;
    const a$ = cold<NodeSet>('-');
    const b$ = cold('y---', sets);
    expectObservable(run(helpers, [a$, b$]), '^-----!').toBe('----y--', told);
    expectSubscriptions(a$.subscriptions).toBe('^-----!');
    expectSubscriptions(b$.subscriptions).toBe('----^-!');
  });

  marble('a discovery that throws when asked is one that errors', (helpers) => {
    const { scheduler, cold, expectObservable } = helpers;
    const broken = () => {
      throw new FleetError('INVALID_OPTION', 'no such registry');
    };
    const set$ = fallbackDiscovery(broken, () => cold('y', sets))({ service: 's', scheduler });
    expectObservable(drawn(set$)).toBe('y', told);
  });
});
