import { defer, map, type Observable } from 'rxjs';
import { FleetError } from '../../src/core/fleetError.js';
import { createNode } from '../../src/core/node.js';
import { NodeSet } from '../../src/core/nodeSet.js';
import type { DiscoveryEvent, DiscoveryQuery } from '../../src/discovery/discovery.js';
import { reconnecting } from '../../src/discovery/reconnecting.js';
import { marble, type MarbleHelpers } from '../../src/testing/marble.js';

const node = (id: string) => createNode({ id, address: `${id}:1` });
const sets = { a: NodeSet.of([node('x')]), b: NodeSet.of([node('x'), node('y')]), e: NodeSet.of([]) };
const broken = new FleetError('UNAVAILABLE', 'connection reset');

/** The discovery whose sessions are these in turn, as the ids that it lists; an asterisk marks a stale set. */
function follow({ scheduler }: MarbleHelpers, sessions: readonly Observable<NodeSet>[], events: DiscoveryEvent[] = []) {
  let next = 0;
  const query: DiscoveryQuery = { service: 's', scheduler, random: () => 0.5, onEvent: (event) => events.push(event) };
  const backoff = { initialBackoffMs: 2, maxBackoffMs: 8 };
  const session = () => defer(() => sessions[next++]!);
  return reconnecting(query, session, { source: 'etcd', backoff }).pipe(
    map((set) => set.nodes.map(({ id }) => id).join('') + (set.stale ? '*' : '')),
  );
}

describe('reconnecting', () => {
  marble('a source that is cut off keeps its nodes, marked stale, until it is back', (m) => {
    const first = m.cold('-a-#', sets, broken);
    const second = m.cold('--a-', sets);
    m.expectObservable(follow(m, [first, second])).toBe('-a-A---a', { a: 'x', A: 'x*' });
    m.expectSubscriptions(first.subscriptions).toBe('^--!');
    m.expectSubscriptions(second.subscriptions).toBe('-----^');
  });

  marble('what changed meanwhile is emitted as one difference', (m) => {
    const first = m.cold('a#', sets, broken);
    m.expectObservable(follow(m, [first, m.cold('b', sets)])).toBe('aA-b', { a: 'x', A: 'x*', b: 'xy' });
  });

  marble('nothing is emptied by accident, and a source that says "nobody" is believed', (m) => {
    const first = m.cold('a#', sets, broken);
    m.expectObservable(follow(m, [first, m.cold('e', sets)])).toBe('aA-e', { a: 'x', A: 'x*', e: '' });
  });

  marble('a source that is down at the start says nothing until it is up', (m) => {
    const down = m.cold<NodeSet>('#', undefined, broken);
    m.expectObservable(follow(m, [down, down, m.cold('a', sets)])).toBe('------a', { a: 'x' });
  });

  marble('each wait is twice the one before, and a session that spoke begins anew', (m) => {
    const down = m.cold<NodeSet>('#', undefined, broken);
    const spoke = m.cold('a#', sets, broken);
    const last = m.cold('a', sets);
    m.expectObservable(follow(m, [down, down, spoke, last])).toBe('------aA-a', { a: 'x', A: 'x*' });
  });

  marble('a session that completes is cut off too: a live source never ends', (m) => {
    m.expectObservable(follow(m, [m.cold('a|', sets), m.cold('b', sets)])).toBe('aA-b', { a: 'x', A: 'x*', b: 'xy' });
  });

  marble('equal sets are emitted once', (m) => {
    const again = NodeSet.of([node('x')]);
    m.expectObservable(follow(m, [m.cold('a-c-b', { ...sets, c: again })])).toBe('a---b', { a: 'x', b: 'xy' });
  });

  marble('refused credentials are an error: no new connection mends them', (m) => {
    const refused = new FleetError('UNAUTHENTICATED', 'wrong password');
    m.expectObservable(follow(m, [m.cold<NodeSet>('-#', undefined, refused)])).toBe('-#', undefined, refused);
  });

  marble('unsubscribing during a wait begins no further session', (m) => {
    const second = m.cold('a', sets);
    m.expectObservable(follow(m, [m.cold('a#', sets, broken), second]), '^-!').toBe('aA', { a: 'x', A: 'x*' });
    m.expectSubscriptions(second.subscriptions).toBe([]);
  });

  marble('going and coming back are told once each', (m) => {
    const events: DiscoveryEvent[] = [];
    const down = m.cold<NodeSet>('#', undefined, broken);
    m.expectObservable(follow(m, [m.cold('a#', sets, broken), down, m.cold('a', sets)], events)).toBe('aA-----a', {
      a: 'x',
      A: 'x*',
    });
    m.flush();
    expect(events.map(({ type, source }) => `${source} ${type}`)).toEqual(['etcd disconnected', 'etcd connected']);
  });
});
