import { map, type Observable } from 'rxjs';
import { FleetError } from '../../src/core/fleetError.js';
import { createNode, type Ejection, type Node } from '../../src/core/node.js';
import { NodeSet, type NodeChanges } from '../../src/core/nodeSet.js';
import { createNodeDirectory } from '../../src/nodes/nodeDirectory.js';
import { marble } from '../../src/testing/marble.js';

const node = (id: string, more: object = {}) => createNode({ id, address: '10.0.0.1:1', ...more });
const [x, y, z] = ['x', 'y', 'z'].map((id) => node(id)) as [Node, Node, Node];
const ids = (set$: Observable<NodeSet>) => set$.pipe(map((set) => set.nodes.map((n) => n.id).join('')));
const changed = ({ added, removed, updated }: NodeChanges) =>
  [...added.map((n) => `+${n.id}`), ...removed.map((n) => `-${n.id}`), ...updated.map((n) => `~${n.id}`)].join(' ');

describe('nodeDirectory', () => {
  marble('subscribers get the world now, then each change', ({ hot, expectObservable }) => {
    const { nodes$ } = createNodeDirectory(hot('--a--b', { a: NodeSet.of([x]), b: NodeSet.of([x, y]) }));
    expectObservable(ids(nodes$)).toBe('0-1--2', ['', 'x', 'xy']);
    expectObservable(ids(nodes$), '---^--').toBe('---1-2', ['', 'x', 'xy']);
  });

  marble('until discovery has spoken the set is marked stale, so that "nobody" is not taken for a fact', (m) => {
    const { nodes$ } = createNodeDirectory(m.hot('--a', { a: NodeSet.of([]) }));
    m.expectObservable(nodes$.pipe(map((set) => set.stale?.reason ?? 'fresh'))).toBe('w-f', {
      w: 'waiting for discovery',
      f: 'fresh',
    });
  });

  marble('changes$ names who came, went and changed', ({ hot, expectObservable }) => {
    const heavier = node('x', { weight: 2 });
    const { changes$ } = createNodeDirectory(
      hot('-a-b-c', { a: NodeSet.of([x, y]), b: NodeSet.of([heavier, y]), c: NodeSet.of([y, z]) }),
    );
    expectObservable(changes$.pipe(map(changed))).toBe('-a-b-c', { a: '+x +y', b: '~x', c: '+z -x' });
  });

  marble('what the client found out survives a new snapshot of the source', ({ hot, cold, expectObservable }) => {
    const heavier = node('x', { weight: 2 });
    const directory = createNodeDirectory(hot('-a-b', { a: NodeSet.of([x]), b: NodeSet.of([heavier]) }));
    cold('--r').subscribe(() => directory.annotate('x', { availability: 'ready' }));
    const state$ = directory.node$('x').pipe(map((n) => `${n.availability} ${n.weight}`));
    expectObservable(state$).toBe('-abc', { a: 'discovered 1', b: 'ready 1', c: 'ready 2' });
  });

  marble('what the source says anew of a state counts over what was found out', ({ hot, cold, expectObservable }) => {
    const failing = node('x', { health: 'notServing' });
    const directory = createNodeDirectory(hot('-a-b', { a: NodeSet.of([x]), b: NodeSet.of([failing]) }));
    cold('--r').subscribe(() => directory.annotate('x', { health: 'serving' }));
    expectObservable(directory.node$('x').pipe(map((n) => n.health))).toBe('-abc', {
      a: 'unknown',
      b: 'serving',
      c: 'notServing',
    });
  });

  marble('a node that goes and comes back starts anew', ({ hot, cold, expectObservable }) => {
    const directory = createNodeDirectory(
      hot('-a--b-c', { a: NodeSet.of([x]), b: NodeSet.of([]), c: NodeSet.of([x]) }),
    );
    cold('--r').subscribe(() =>
      directory.annotate('x', { availability: 'unavailable', availabilityReason: 'refused' }),
    );
    expectObservable(directory.node$('x').pipe(map((n) => n.availability))).toBe('-ab---c', {
      a: 'discovered',
      b: 'unavailable',
      c: 'discovered',
    });
  });

  marble('a note taken while a snapshot is delivered comes after it, and everyone sees the same order', (m) => {
    const directory = createNodeDirectory(m.hot('-a', { a: NodeSet.of([x, y]) }));
    directory.nodes$.subscribe((set) => set.nodes.forEach((n) => directory.annotate(n.id, { availability: 'ready' })));
    const ready = directory.nodes$.pipe(map((set) => set.nodes.filter((n) => n.availability === 'ready').length));
    m.expectObservable(ready).toBe('0(02)', ['0', '', '2'].map(Number));
  });

  marble('a discovery that can never work errors, with its reason', ({ hot, expectObservable }) => {
    const refused = new FleetError('DISCOVERY_FAILED', 'wrong password');
    const { nodes$ } = createNodeDirectory(hot('--#', {}, refused));
    expectObservable(ids(nodes$)).toBe('0-#', [''], refused);
  });

  marble('closing leaves the source and completes', ({ cold, expectObservable, expectSubscriptions }) => {
    const source = cold('-a-', { a: NodeSet.of([x]) });
    const directory = createNodeDirectory(source);
    cold('---c').subscribe(() => directory.close());
    expectObservable(ids(directory.nodes$)).toBe('01-|', ['', 'x']);
    expectSubscriptions(source.subscriptions).toBe('^--!');
  });
});

const ejection = (by: string, reason = 'it fails'): Ejection => ({ by, obstacle: 'ejected', reason, until: undefined });
/** The health of a node in words, with its reason. */
const health = (node$: Observable<Node>) => node$.pipe(map(({ health, healthReason }) => `${health}: ${healthReason}`));

describe('nodeDirectory.eject', () => {
  marble('a node is out until everybody who took it out has let it in again', ({ hot, cold, expectObservable }) => {
    const directory = createNodeDirectory(hot('a', { a: NodeSet.of([x, y]) }));
    const acts: Record<string, () => void> = {
      o: () => directory.eject('x', ejection('outlierDetection')),
      b: () => directory.eject('x', { ...ejection('breaker', 'shut'), obstacle: 'circuitOpen' }),
      r: () => directory.readmit('x', 'outlierDetection'),
      s: () => directory.readmit('x', 'breaker'),
    };
    cold('-o-b-r-s').subscribe((letter) => acts[letter]!());
    expectObservable(health(directory.node$('x'))).toBe('ab-c-d-a', {
      a: 'unknown: undefined',
      b: 'ejected: outlierDetection: it fails',
      c: 'ejected: outlierDetection: it fails; breaker: shut',
      d: 'ejected: breaker: shut',
    });
    // Its neighbour is the same object throughout.
    expectObservable(directory.node$('y')).toBe('a', { a: y });
  });

  marble('what is said of its health meanwhile counts when it is in again', ({ hot, cold, expectObservable }) => {
    const failing = node('x', { health: 'notServing', healthReason: 'loading' });
    const directory = createNodeDirectory(hot('a---b-', { a: NodeSet.of([x]), b: NodeSet.of([failing]) }));
    const acts: Record<string, () => void> = {
      o: () => directory.eject('x', ejection('a')),
      h: () => directory.annotate('x', { health: 'serving', healthReason: undefined, load: { cpu: 1 } }),
      r: () => directory.readmit('x', 'a'),
    };
    cold('-oh--r').subscribe((letter) => acts[letter]!());
    const state$ = directory.node$('x').pipe(map((n) => `${n.health}: ${n.healthReason}, ${n.load.cpu ?? 0}`));
    // The check says serving, then the source says anew that it is not: the last word counts.
    expectObservable(state$).toBe('abc-cd', {
      a: 'unknown: undefined, 0',
      b: 'ejected: a: it fails, 0',
      c: 'ejected: a: it fails, 1',
      d: 'notServing: loading, 1',
    });
  });

  marble('health that was said in part is kept in part, as without an ejection', ({ hot, cold, expectObservable }) => {
    const ill = node('x', { health: 'notServing', healthReason: 'loading' });
    const directory = createNodeDirectory(hot('a', { a: NodeSet.of([ill]) }));
    const acts: Record<string, () => void> = {
      o: () => directory.eject('x', ejection('a')),
      h: () => directory.annotate('x', { healthReason: 'still loading' }),
      r: () => directory.readmit('x', 'a'),
    };
    cold('-ohr').subscribe((letter) => acts[letter]!());
    expectObservable(health(directory.node$('x'))).toBe('ab-c', {
      a: 'notServing: loading',
      b: 'ejected: a: it fails',
      c: 'notServing: still loading',
    });
  });

  marble('a second ejection by the same takes the place of the first', ({ hot, cold, expectObservable }) => {
    const directory = createNodeDirectory(hot('a', { a: NodeSet.of([x]) }));
    const acts: Record<string, () => void> = {
      o: () => directory.eject('x', ejection('a', 'once')),
      b: () => directory.eject('x', ejection('b')),
      p: () => directory.eject('x', ejection('a', 'twice')),
      r: () => directory.readmit('x', 'a'),
    };
    cold('-obpr').subscribe((letter) => acts[letter]!());
    expectObservable(health(directory.node$('x'))).toBe('abcde', {
      a: 'unknown: undefined',
      b: 'ejected: a: once',
      c: 'ejected: a: once; b: it fails',
      d: 'ejected: a: twice; b: it fails',
      e: 'ejected: b: it fails',
    });
  });

  marble('nothing happens for an id that is not known, or by one who never took the node out', (m) => {
    const directory = createNodeDirectory(m.hot('a', { a: NodeSet.of([x, y]) }));
    const acts: Record<string, () => void> = {
      u: () => directory.eject('z', ejection('a')),
      v: () => directory.readmit('z', 'a'),
      w: () => directory.readmit('x', 'nobody'),
      o: () => directory.eject('x', ejection('a')),
    };
    m.cold('-uvwow').subscribe((letter) => acts[letter]!());
    m.expectObservable(directory.nodes$.pipe(map((set) => set.nodes.map((n) => n.health).join(' ')))).toBe('(0a)b', {
      0: '',
      a: 'unknown unknown',
      b: 'ejected unknown',
    });
  });

  marble('a node that leaves and comes back starts clean', ({ hot, cold, expectObservable }) => {
    const sets = { a: NodeSet.of([x, y]), b: NodeSet.of([y]), c: NodeSet.of([x, y]) };
    const directory = createNodeDirectory(hot('a--b-c--', sets));
    const acts: Record<string, () => void> = {
      o: () => directory.eject('x', ejection('a')),
      h: () => directory.annotate('x', { health: 'serving' }),
      r: () => directory.readmit('x', 'a'),
    };
    cold('-oh---hr').subscribe((letter) => acts[letter]!());
    expectObservable(health(directory.node$('x'))).toBe('ab---cd', {
      a: 'unknown: undefined',
      b: 'ejected: a: it fails',
      c: 'unknown: undefined',
      d: 'serving: undefined',
    });
  });

  marble('what is done while a snapshot is delivered comes with the next, for everyone in the same order', (m) => {
    const directory = createNodeDirectory(m.hot('-a', { a: NodeSet.of([x, y]) }));
    directory.nodes$.subscribe(({ nodes }) => {
      if (nodes.some(({ health }) => health === 'ejected')) return;
      for (const { id } of nodes) directory.eject(id, ejection('a'));
      if (nodes.length) directory.readmit('y', 'a');
    });
    const healths = directory.nodes$.pipe(map(({ nodes }) => nodes.map((n) => `${n.id} ${n.health}`).join(', ')));
    m.expectObservable(healths).toBe('0(ab)', { 0: '', a: 'x unknown, y unknown', b: 'x ejected, y unknown' });
  });

  marble('nobody but those who take nodes out says who did: not a source, not a note', (m) => {
    const foreign = node('x', { health: 'ejected', ejections: [ejection('another client')] });
    const anew = node('x', { weight: 2, ejections: [] });
    const directory = createNodeDirectory(m.hot('a--b-', { a: NodeSet.of([foreign]), b: NodeSet.of([anew]) }));
    const acts: Record<string, () => void> = {
      o: () => directory.eject('x', ejection('a')),
      n: () => directory.annotate('x', { ejections: [] }),
      r: () => directory.readmit('x', 'a'),
    };
    m.cold('-on-r').subscribe((letter) => acts[letter]!());
    const state$ = directory
      .node$('x')
      .pipe(map((n) => `${n.weight} ${n.health} ${n.ejections.map((e) => e.by).join()}`));
    m.expectObservable(state$).toBe('ab-cd', {
      a: '1 ejected ',
      b: '1 ejected a',
      c: '2 ejected a',
      d: '2 unknown ',
    });
  });
});
