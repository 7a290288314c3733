import { map, type Observable } from 'rxjs';
import { FleetError } from '../../../src/core/fleetError.js';
import { createNode } from '../../../src/core/node.js';
import { NodeSet } from '../../../src/core/nodeSet.js';
import { refreshed } from '../../../src/registration/registerAndDiscover/refreshed.js';
import { marble, type MarbleHelpers } from '../../../src/testing/marble.js';

const x = createNode({ id: 'x', address: '10.0.0.1:1' });
const y = createNode({ id: 'y', address: '10.0.0.2:1' });
const sets = () => ({
  a: NodeSet.of([x]),
  b: NodeSet.of([x, y]),
  s: NodeSet.of([x], { since: 0, reason: 'away' }),
  o: NodeSet.empty,
});
const down = new FleetError('UNAVAILABLE', 'down');

/** Reads anew every 5 ms; each read is the next of these sources, the last again and again. */
function read(m: MarbleHelpers, sources: readonly Observable<NodeSet>[], refreshMs = 5): Observable<string> {
  let taken = 0;
  const discovery = refreshed(() => sources[Math.min(taken++, sources.length - 1)]!, refreshMs);
  return discovery({ service: 'demo', scheduler: m.scheduler }).pipe(
    map(({ nodes, stale }) => (nodes.map(({ id }) => id).join('') || 'nothing') + (stale ? '?' : '')),
  );
}
const told = { a: 'x', b: 'xy', s: 'x?', o: 'nothing' };

describe('refreshed', () => {
  marble('a change that was missed is seen with the next reading, and the old subscription ends then', (m) => {
    const first = m.cold(' -a-----------', sets());
    const second = m.cold('     --b------', sets());
    m.expectObservable(read(m, [first, second], 6), '^----------!').toBe('-a------b--', told);
    m.expectSubscriptions(first.subscriptions).toBe(' ^-------!');
    m.expectSubscriptions(second.subscriptions).toBe('------^----!');
  });

  marble('a reading that finds the same says nothing', (m) => {
    const source = m.cold('a------', sets());
    m.expectObservable(read(m, [source]), '^-----------!').toBe('a', told);
    m.expectSubscriptions(source.subscriptions).toBe(['^----!', '-----^----!', '----------^-!']);
  });

  marble('a reading that finds the source away does not take the place of one that works', (m) => {
    const first = m.cold(' a-------b', sets());
    const second = m.cold('s--------', sets());
    m.expectObservable(read(m, [first, second]), '^---------!').toBe('a-------b', told);
    m.expectSubscriptions(first.subscriptions).toBe(' ^---------!');
    m.expectSubscriptions(second.subscriptions).toBe('-----^----!');
  });

  marble('a reading that fails does no harm, unless it is the only one', (m) => {
    const first = m.cold('a---------', sets());
    m.expectObservable(read(m, [first, m.cold('#', undefined, down)]), '^-------!').toBe('a', told);
    m.expectObservable(read(m, [m.cold('-#', undefined, down)])).toBe('-#', undefined, down);
  });

  marble('one that says nothing is waited for, and not started over', (m) => {
    const never = m.cold<NodeSet>('-');
    m.expectObservable(read(m, [never]), '^-----------!').toBe('-');
    m.expectSubscriptions(never.subscriptions).toBe('  ^-----------!');
  });

  marble('what is empty for real is told so', (m) => {
    m.expectObservable(read(m, [m.cold('a----', sets()), m.cold('o----', sets())]), '^------!').toBe('a----o', told);
  });

  marble('with no end to the wait it is the discovery as it stands', (m) => {
    const source = m.cold('a--b--', sets());
    m.expectObservable(read(m, [source], Infinity), '^ 90m !').toBe('a--b', told);
    m.expectSubscriptions(source.subscriptions).toBe('^ 90m !');
  });
});
