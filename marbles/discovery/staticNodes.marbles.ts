import { map, type Observable } from 'rxjs';
import { formatAddress } from '../../src/core/address.js';
import { FleetError } from '../../src/core/fleetError.js';
import type { NodeSet } from '../../src/core/nodeSet.js';
import { staticNodes, type StaticNode } from '../../src/discovery/staticNodes.js';
import { marble } from '../../src/testing/marble.js';

const ids = (set$: Observable<NodeSet>) =>
  set$.pipe(map((set) => (set.nodes.map(({ id }) => id).join(' ') || 'none') + (set.stale ? ' stale' : '')));

const x: StaticNode = { id: 'x', address: '127.0.0.1:1' };
const y: StaticNode = { id: 'y', address: '127.0.0.1:2' };
const z: StaticNode = { id: 'z', address: '127.0.0.1:3' };

describe('staticNodes', () => {
  marble('lists its nodes at once and lives until unsubscribed', ({ scheduler, expectObservable }) => {
    const nodes$ = ids(staticNodes([x, y])({ service: 's', scheduler }));
    expectObservable(nodes$, '^------!').toBe('a', { a: 'x y' });
  });

  marble('an empty list is an empty set, since the user said so', ({ scheduler, expectObservable }) => {
    expectObservable(ids(staticNodes([])({ service: 's', scheduler })), '^--!').toBe('a', { a: 'none' });
  });

  marble('a list that changes is followed, equal lists are told once', ({ hot, scheduler, expectObservable }) => {
    const list$ = hot<StaticNode[]>('a--b--c--d-e-', { a: [x], b: [x, y], c: [{ ...y }, { ...x }], d: [], e: [z] });
    const nodes$ = ids(staticNodes(list$)({ service: 's', scheduler }));
    expectObservable(nodes$).toBe('  a--b-----d-e-', { a: 'x', b: 'x y', d: 'none', e: 'z' });
  });

  marble('the last list stays when the source completes', ({ cold, scheduler, expectObservable }) => {
    const list$ = cold('a-|', { a: [x] });
    expectObservable(ids(staticNodes(list$)({ service: 's', scheduler })), '^------!').toBe('a', { a: 'x' });
  });

  marble('nothing is listed before the source has spoken', ({ cold, scheduler, expectObservable }) => {
    const list$ = cold<StaticNode[]>('-');
    expectObservable(ids(staticNodes(list$)({ service: 's', scheduler })), '^------!').toBe('-');
  });

  marble('is cold: the source is subscribed to once a subscriber, and left with it', (helpers) => {
    const { cold, scheduler, expectObservable, expectSubscriptions } = helpers;
    const list$ = cold('a---', { a: [x] });
    const discovery = staticNodes(list$);
    expectObservable(ids(discovery({ service: 's', scheduler })), '--^---!').toBe('--a', { a: 'x' });
    expectObservable(ids(discovery({ service: 's', scheduler })), '----^----!').toBe('----a', { a: 'x' });
    expectSubscriptions(list$.subscriptions).toBe(['--^---!', '----^----!']);
  });

  marble('a source that fails leaves the last list as stale and is asked again with backoff', (helpers) => {
    const { cold, scheduler, expectObservable, expectSubscriptions } = helpers;
    const list$ = cold('a-#', { a: [x] });
    const nodes$ = ids(staticNodes(list$)({ service: 's', scheduler, random: () => 0.5 }));
    // Fresh after each reconnection, so the backoff begins anew each time.
    expectObservable(nodes$, '^ 100ms !').toBe('a-b 49ms a-b', { a: 'x', b: 'x stale' });
    expectSubscriptions(list$.subscriptions).toBe(['^-!', '52ms ^-!']);
  });

  marble('backoff doubles while the source stays away', (helpers) => {
    const { cold, scheduler, expectObservable, expectSubscriptions } = helpers;
    const list$ = cold<StaticNode[]>('#');
    expectObservable(ids(staticNodes(list$)({ service: 's', scheduler, random: () => 0.5 })), '^ 200ms !').toBe('-');
    expectSubscriptions(list$.subscriptions).toBe(['(^!)', '50ms (^!)', '150ms (^!)']);
  });

  marble('an error that the caller made ends it', ({ cold, scheduler, expectObservable }) => {
    const error = new FleetError('INVALID_OPTION', 'no such file');
    const list$ = cold<StaticNode[]>('--#', {}, error);
    expectObservable(staticNodes(list$)({ service: 's', scheduler })).toBe('--#', {}, error);
  });

  marble('a bad entry of a changing list is passed over', ({ cold, scheduler, expectObservable }) => {
    const list$ = cold<StaticNode[]>('a-b-', { a: ['nonsense', x], b: [x, y] });
    const nodes$ = staticNodes(list$)({ service: 's', scheduler }).pipe(
      map((set) => set.nodes.map(({ address }) => formatAddress(address)).join(' ')),
    );
    expectObservable(nodes$, '^------!').toBe('a-b', { a: '127.0.0.1:1', b: '127.0.0.1:1 127.0.0.1:2' });
  });
});
