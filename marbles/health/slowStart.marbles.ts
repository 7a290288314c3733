import { distinctUntilChanged, filter, map, skip, startWith, tap, type Observable } from 'rxjs';
import { isRoutable } from '../../src/core/isRoutable.js';
import { createNode, type Node, type NodeState } from '../../src/core/node.js';
import { NodeSet } from '../../src/core/nodeSet.js';
import { panic } from '../../src/health/panic.js';
import { slowStart, type SlowStartOptions } from '../../src/health/slowStart.js';
import { marble, type MarbleHelpers } from '../../src/testing/marble.js';
import { noEvents } from '../../test/support/noEvents.js';

const node = (id: string, state: Partial<NodeState & { weight: number }> = {}) =>
  createNode({ id, address: '10.0.0.1:1', availability: 'ready', ...state });
const ill = (id: string) => node(id, { health: 'notServing' });
const dialled = node('y', { availability: 'connecting' });
const [x, y, z] = ['x', 'y', 'z'].map((id) => node(id)) as [Node, Node, Node];
const set = (...nodes: Node[]) => NodeSet.of(nodes);

/** The weight of node y in percent, each time that it is another; `none` while it takes no calls. */
const weightOfY = () => (set$: Observable<NodeSet>) =>
  set$.pipe(
    map(({ nodes }) => nodes.find(({ id }) => id === 'y')),
    map((found) => (found && isRoutable(found) ? String(Math.round(found.weight * 100)) : 'none')),
    startWith('none'),
    distinctUntilChanged(),
    skip(1),
  );
/** A window of ten seconds, so a step each 500 ms. */
const run = ({ scheduler }: MarbleHelpers, sets$: Observable<NodeSet>, options: Partial<SlowStartOptions> = {}) =>
  sets$.pipe(slowStart({ windowMs: 10_000, ...options }, { scheduler }), weightOfY());

/** a is 10 percent, and each letter 5 more, up to s; t: it takes no calls. */
const letters = Object.fromEntries([...'abcdefghijklmnopqrs'].map((letter, i) => [letter, String(10 + 5 * i)]));
const values = { ...letters, t: 'none' };
/** From a tenth to the whole, in 10 s. */
const growth = `a 1499ms ${[...'bcdefghijklmnopqrs'].join(' 499ms ')}`;

describe('slowStart', () => {
  marble('a node that comes gets its share little by little', (m) => {
    const sets$ = m.cold('a 499ms b', { a: set(x), b: set(x, y) });
    m.expectObservable(run(m, sets$), '^ 30s !').toBe(`500ms ${growth}`, values);
  });

  marble('it ends with the window, and leaves no timer behind', (m) => {
    let told = 0;
    const shown$ = m.cold('a', { a: set(y) }).pipe(
      slowStart({ windowMs: 10_000 }, { scheduler: m.scheduler }),
      map(() => ++told),
      // The set as it came, and twenty steps.
      filter((count) => count >= 20),
    );
    m.expectObservable(shown$).toBe('9500ms a 499ms b', { a: 20, b: 21 });
  });

  marble('a node that comes back begins anew', (m) => {
    const sets$ = m.cold('a 19999ms b 1999ms a', { a: set(x, y), b: set(x, ill('y')) });
    m.expectObservable(run(m, sets$), '^ 60s !').toBe(`${growth} 9999ms t 1999ms ${growth}`, values);
  });

  marble('a node that is listed anew begins anew, however soon', (m) => {
    const sets$ = m.cold('a 19999ms b 499ms a', { a: set(x, y), b: set(x) });
    m.expectObservable(run(m, sets$), '^ 60s !').toBe(`${growth} 9999ms t 499ms ${growth}`, values);
  });

  marble('a connection that is renewed does not throw a warm node back', (m) => {
    const sets$ = m.cold('a 19999ms b 499ms a', { a: set(x, y), b: set(x, dialled) });
    m.expectObservable(run(m, sets$), '^ 60s !').toBe(`${growth} 9999ms t 499ms s`, values);
  });

  marble('nor does it give a cold one its whole share: it goes on where it would be', (m) => {
    const sets$ = m.cold('a 3199ms b 499ms a', { a: set(x, y), b: set(x, dialled) });
    const before = 'a 1499ms b 499ms c 499ms d 499ms e 199ms t 499ms u 299ms';
    m.expectObservable(run(m, sets$), '^ 60s !').toBe(`${before} ${[...'ghijklmnopqrs'].join(' 499ms ')}`, {
      ...values,
      u: '37',
    });
  });

  marble('the weight that discovery gives counts, and a change of it, too', (m) => {
    const sets$ = m.cold('a 1999ms b', { a: set(x, node('y', { weight: 2 })), b: set(x, node('y', { weight: 4 })) });
    m.expectObservable(run(m, sets$), '^ 2400ms !').toBe('a 1499ms b 499ms c', { a: '20', b: '30', c: '80' });
  });

  marble('with aggression it is faster at first, and minWeight is what it begins with', (m) => {
    const sets$ = m.cold('a', { a: set(y) });
    m.expectObservable(run(m, sets$, { aggression: 2, minWeight: 0.25 }), '^ 2100ms !').toBe(
      // √0.05 is below the least, then √0.1, √0.15, √0.2.
      'a 999ms b 499ms c 499ms d',
      { a: '25', b: '32', c: '39', d: '45' },
    );
  });

  marble('nodes that panic lets in are not new, and do not begin anew when they are healthy again', (m) => {
    // y is out alone: calm. z is, too: panic. y is back: calm, and y has taken calls all the time. Then it is out, and comes back.
    const sets = { a: set(x, y, z), b: set(x, ill('y'), z), c: set(x, ill('y'), ill('z')), d: set(x, y, ill('z')) };
    let current = NodeSet.empty;
    const ports = {
      scheduler: m.scheduler,
      isLetIn: ({ id }: Node) => !isRoutable(current.get(id)!),
    };
    const shown$ = m.cold('a 19999ms b 1999ms c 1999ms d 1999ms b 1999ms a', sets).pipe(
      tap((each) => (current = each)),
      panic({}, { events: noEvents, scheduler: m.scheduler }),
      slowStart({ windowMs: 10_000 }, ports),
      weightOfY(),
    );
    m.expectObservable(shown$, '^ 60s !').toBe(`${growth} 9999ms t 1999ms s 3999ms t 1999ms ${growth}`, values);
  });

  marble('the end and errors pass, and end the timer; two subscribers do not share', (m) => {
    const ended$ = run(m, m.cold('a 1999ms |', { a: set(y) }));
    m.expectObservable(ended$).toBe('a 1499ms b 499ms |', values);
    m.expectObservable(ended$, '1s ^').toBe('1s a 1499ms b 499ms |', values);
    m.expectObservable(run(m, m.cold('a 1999ms #', { a: set(y) }))).toBe('a 1499ms b 499ms #', values);
    m.expectObservable(run(m, m.cold('|'))).toBe('|');
  });

  marble('unsubscribing ends the timer', (m) => {
    const sets$ = m.cold('a', { a: set(y) });
    m.expectObservable(run(m, sets$), '^ 1600ms !').toBe('a 1499ms b', values);
    m.expectSubscriptions(sets$.subscriptions).toBe('^ 1600ms !');
  });
});

describe('the options of slowStart', () => {
  it.each([
    [{ windowMs: 0 }, 'slowStart.windowMs'],
    [{ windowMs: Infinity }, 'slowStart.windowMs'],
    [{ windowMs: NaN }, 'slowStart.windowMs'],
    [{ windowMs: 1, aggression: 0 }, 'slowStart.aggression'],
    [{ windowMs: 1, aggression: NaN }, 'slowStart.aggression'],
    [{ windowMs: 1, aggression: Infinity }, 'slowStart.aggression'],
    [{ windowMs: 1, minWeight: 0 }, 'slowStart.minWeight'],
    [{ windowMs: 1, minWeight: 1.1 }, 'slowStart.minWeight'],
    [{ windowMs: 1, minWeight: NaN }, 'slowStart.minWeight'],
  ])('refuse %o', (options, field) => {
    const make = () => slowStart(options, { scheduler: undefined as never });
    expect(make).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }));
    expect(make).toThrow(field);
  });
});
