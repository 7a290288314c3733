import { map, type Observable } from 'rxjs';
import { cooldown, incidentOf, type CooldownOptions, type NodeIncident } from '../../src/lumen/cooldown.js';
import { marble, type MarbleHelpers } from '../../src/testing/marble.js';

/** f, g: hard failures of a and b; s: a success of a; r: a is connected anew; x: a is gone. */
const incidents: Record<string, NodeIncident> = {
  f: { id: 'a', type: 'hardFailure' },
  g: { id: 'b', type: 'hardFailure' },
  s: { id: 'a', type: 'success' },
  r: { id: 'a', type: 'connected' },
  x: { id: 'a', type: 'gone' },
};
const rests = (m: MarbleHelpers, incident$: Observable<NodeIncident>, options: CooldownOptions = {}) =>
  incident$.pipe(
    cooldown({ minMs: 10, maxMs: 40, scheduler: m.scheduler, ...options }),
    map(({ id, restMs }) => `${id} ${restMs ?? 'over'}`),
  );
const told = { a: 'a 10', A: 'a 20', B: 'a 40', o: 'a over', b: 'b 10', p: 'b over' };

describe('cooldown', () => {
  marble('three hard failures in a row put a node to rest', (m) => {
    m.expectObservable(rests(m, m.hot('f-f-f-----------', incidents))).toBe('----a---------o-', told);
  });

  marble('one more failure after a rest doubles it, up to the longest', (m) => {
    const failures = m.hot('fff----------f 19ms ----f 39ms ---f', incidents);
    m.expectObservable(rests(m, failures), '85ms !').toBe('--a---------oA 19ms o---B 39ms o--B', told);
  });

  marble('a success forgives', (m) => {
    m.expectObservable(rests(m, m.hot('ffsff-----', incidents))).toBe('----------');
  });

  marble('a success ends a rest', (m) => {
    m.expectObservable(rests(m, m.hot('fff-s-ff--', incidents))).toBe('--a-o-----', told);
  });

  marble('a new connection ends a rest, and the next begins small again', (m) => {
    m.expectObservable(rests(m, m.hot('fff-r-fff-----------', incidents))).toBe('--a-o---a---------o-', told);
  });

  marble('failures during a rest do not prolong it', (m) => {
    m.expectObservable(rests(m, m.hot('ffff-f-f-------', incidents))).toBe('--a---------o--', told);
  });

  marble('nodes are counted apart', (m) => {
    m.expectObservable(rests(m, m.hot('fgfgfg----------------', incidents))).toBe('----ab--------op------', told);
  });

  marble('the last node does not rest', (m) => {
    m.expectObservable(rests(m, m.hot('fffff-----', incidents), { maySpare: () => false })).toBe('----------');
  });

  marble('a node that is gone is forgotten in silence', (m) => {
    m.expectObservable(rests(m, m.hot('fff-x-ff--------', incidents))).toBe('--a-------------', told);
  });

  marble('unsubscribing ends every timer, and the end passes', (m) => {
    m.expectObservable(rests(m, m.hot('fff-------------', incidents)), '----!').toBe('--a', told);
    m.expectObservable(rests(m, m.hot('f|', incidents))).toBe('-|');
  });
});

describe('incidentOf', () => {
  it('counts only unavailability and the network against a node', () => {
    const failed = { status: 'failed', latencyMs: 1 } as const;
    expect(incidentOf('a', { ...failed, code: 'UNAVAILABLE', blame: 'network' })?.type).toBe('hardFailure');
    expect(incidentOf('a', { ...failed, code: 'INTERNAL', blame: 'node' })).toBeUndefined();
    expect(incidentOf('a', { ...failed, code: 'INVALID_ARGUMENT', blame: 'request' })).toBeUndefined();
    expect(incidentOf('a', { status: 'cancelled', latencyMs: 1 })).toBeUndefined();
    expect(incidentOf('a', { status: 'ok', latencyMs: 1 })?.type).toBe('success');
  });
});
