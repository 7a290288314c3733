import { map, Subject, type Observable } from 'rxjs';
import { createNode, updateNode, type Node, type NodeState } from '../../src/core/node.js';
import { NodeSet } from '../../src/core/nodeSet.js';
import type { HealthEvent } from '../../src/health/healthEvent.js';
import { panic } from '../../src/health/panic.js';
import { marble, type MarbleHelpers } from '../../src/testing/marble.js';
import { noEvents } from '../../test/support/noEvents.js';

const node = (id: string, state: Partial<NodeState & { weight: number }> = {}) =>
  createNode({ id, address: '10.0.0.1:1', availability: 'ready', health: 'serving', ...state });
const ill = (id: string) => node(id, { health: 'notServing', healthReason: 'loading' });
const ejected = (id: string) =>
  node(id, {
    health: 'ejected',
    healthReason: 'a: it fails',
    ejections: [{ by: 'a', obstacle: 'ejected', reason: 'it fails', until: 7 }],
  });
const away = (id: string) => node(id, { availability: 'unavailable' });
const [x, y, z] = ['x', 'y', 'z'].map((id) => node(id)) as [Node, Node, Node];
const set = (...nodes: Node[]) => NodeSet.of(nodes);

const healths = ({ nodes }: NodeSet) =>
  nodes.map(({ id, health }) => (health === 'serving' ? id : `${id} ${health}`)).join(', ');
const run = ({ cold, scheduler }: MarbleHelpers, diagram: string, sets: Record<string, NodeSet>, threshold?: number) =>
  cold(diagram, sets).pipe(panic(threshold === undefined ? {} : { threshold }, { events: noEvents, scheduler }));

describe('panic', () => {
  marble('when less than half of the nodes are healthy, health is ignored; when enough are, it counts again', (m) => {
    const sets = { a: set(x, y, z), b: set(x, ejected('y'), ill('z')), c: set(x, y, ill('z')) };
    m.expectObservable(run(m, 'a---b---c---|', sets).pipe(map(healths))).toBe('a---b---c---|', {
      a: 'x, y, z',
      b: 'x, y unknown, z unknown',
      c: 'x, y, z notServing',
    });
  });

  marble('half of them is enough', (m) => {
    const shown$ = run(m, 'a', { a: set(x, ejected('y')) }).pipe(map(healths));
    m.expectObservable(shown$).toBe('a', { a: 'x, y ejected' });
  });

  marble('when nobody is healthy a bad node is better than none', (m) => {
    const shown$ = run(m, 'a', { a: set(ill('x'), ejected('y')) }).pipe(map(healths));
    m.expectObservable(shown$).toBe('a', { a: 'x unknown, y unknown' });
  });

  marble('nodes that cannot be reached count as not healthy, and stay out', (m) => {
    const shown$ = run(m, 'a', { a: set(x, ejected('y'), away('z')) }).pipe(
      map(({ nodes }) => nodes.map(({ id, availability, health }) => `${id} ${availability} ${health}`).join(', ')),
    );
    m.expectObservable(shown$).toBe('a', { a: 'x ready serving, y ready unknown, z unavailable serving' });
  });

  marble('nodes that drain, are only dialled or asked, are incompatible or weightless count on neither side', (m) => {
    const aside = [
      node('p', { availability: 'connecting', health: 'ejected' }),
      node('q', { availability: 'draining', health: 'notServing' }),
      node('r', { compatibility: 'pending' }),
      node('s', { compatibility: 'incompatible', health: 'ejected' }),
      node('t', { weight: 0, health: 'notServing' }),
    ];
    const calm = set(x, ejected('y'), ...aside);
    m.expectObservable(run(m, 'a', { a: calm })).toBe('a', { a: calm });
    const shown$ = run(m, 'a', { a: set(x, ejected('y'), ejected('z'), ...aside) }).pipe(map(healths));
    m.expectObservable(shown$).toBe('a', {
      a: 'x, y unknown, z unknown, p ejected, q notServing, r, s ejected, t notServing',
    });
  });

  marble('why a node was out stays to be read', (m) => {
    const shown$ = run(m, 'a', { a: set(ill('x'), ejected('y')) }).pipe(
      map(({ nodes }) => nodes.map(({ healthReason }) => healthReason).join('; ')),
    );
    m.expectObservable(shown$).toBe('a', { a: 'ignored in panic: loading; ignored in panic: a: it fails' });
  });

  marble('never, with a threshold of 0; while anybody is out, with 1', (m) => {
    const sets = { a: set(ill('x'), ejected('y')), b: set(x, y, ill('z')), c: set(x, y, z) };
    m.expectObservable(run(m, 'abc', sets, 0)).toBe('abc', sets);
    m.expectObservable(run(m, 'abc', sets, 1).pipe(map(healths))).toBe('abc', {
      a: 'x unknown, y unknown',
      b: 'x, y, z unknown',
      c: 'x, y, z',
    });
  });

  marble('begins and ends with an event, told once each', ({ cold, scheduler, expectObservable }) => {
    const told = new Subject<HealthEvent>();
    const sets = { a: set(x, y, z), b: set(x, ejected('y'), ill('z')), c: set(x, y, ill('z')), d: set(away('x')) };
    expectObservable(told).toBe('--o--f', {
      o: { type: 'panicChanged', at: 2, on: true, healthy: 1, total: 3 },
      f: { type: 'panicChanged', at: 5, on: false, healthy: 2, total: 3 },
    });
    // Where nobody can be reached there is no health to ignore.
    cold('-ab-bcda', sets)
      .pipe(panic({}, { events: told, scheduler }))
      .subscribe();
  });

  marble('what does not change stays the same object, in panic and out of it', (m) => {
    const bad = [ejected('y'), ill('z')];
    const first = set(x, ...bad);
    const heavier = updateNode(x, { weight: 2 });
    const second = first.with(heavier);
    const seen: NodeSet[] = [];
    const shown$ = run(m, 'abc', { a: first, b: second, c: second.with(y) });
    shown$.subscribe((each) => seen.push(each));
    m.flush();
    const [a, b, c] = seen as [NodeSet, NodeSet, NodeSet];
    expect(b.changesSince(a)).toEqual({ added: [], removed: [], updated: [heavier] });
    expect([b.get('y'), b.get('z')]).toEqual([a.get('y'), a.get('z')]);
    expect([b.get('y') === a.get('y'), b.get('z') === a.get('z')]).toEqual([true, true]);
    // Calm again: it is the set itself.
    expect(c.get('z')).toBe(bad[1]);
  });

  marble('the end and errors pass; two subscribers do not share', (m) => {
    const sets = { a: set(x), b: set(x, ejected('y'), ejected('z')) };
    const source$: Observable<NodeSet> = m.cold('a-b-#', sets);
    const shown$ = source$.pipe(panic({}, { events: noEvents, scheduler: m.scheduler }), map(healths));
    const values = { a: 'x', b: 'x, y unknown, z unknown' };
    m.expectObservable(shown$).toBe('a-b-#', values);
    m.expectObservable(shown$, '---^---').toBe('---a-b-#', values);
    m.expectObservable(run(m, '|', {})).toBe('|');
    m.expectObservable(run(m, '--', {})).toBe('--');
  });
});

/**
 * The rows of Envoy's table that a single priority level has: healthy endpoints in percent, and whether it is in panic
 * (https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/load_balancing/panic_threshold). The rows in which another
 * level takes the calls over have no like here.
 */
const golden: readonly (readonly [percent: number, inPanic: boolean])[] = [
  [100, false],
  [72, false],
  [71, false],
  [65, false],
  [60, false],
  [50, false],
  [25, true],
  [5, true],
];

describe("Envoy's table of panic", () => {
  marble('is ours, with the default threshold of 50 %', (m) => {
    for (const [percent, inPanic] of golden) {
      const nodes = Array.from({ length: 100 }, (_, i) => (i < percent ? node(`n${i}`) : ejected(`n${i}`)));
      const letIn$ = run(m, 'a', { a: set(...nodes) }).pipe(
        map((each) => each.nodes.every(({ health }) => health !== 'ejected')),
      );
      m.expectObservable(letIn$).toBe('a', { a: percent === 100 || inPanic });
    }
  });

  marble('its edge is exact at every threshold', (m) => {
    for (let percent = 1; percent < 100; percent++) {
      for (const healthy of [percent - 1, percent]) {
        const nodes = Array.from({ length: 100 }, (_, i) => (i < healthy ? node(`n${i}`) : ejected(`n${i}`)));
        const letIn$ = run(m, 'a', { a: set(...nodes) }, percent / 100).pipe(
          map(({ nodes: all }) => all.at(-1)!.health),
        );
        m.expectObservable(letIn$).toBe('a', { a: healthy < percent ? 'unknown' : 'ejected' });
      }
    }
  });
});

describe('the options of panic', () => {
  it.each([-0.1, 1.1, NaN, Infinity])('refuse a threshold of %d', (threshold) => {
    const make = () => panic({ threshold }, { events: noEvents, scheduler: undefined as never });
    expect(make).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }));
    expect(make).toThrow('panic.threshold');
  });
});
