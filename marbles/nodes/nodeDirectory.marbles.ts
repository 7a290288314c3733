import { map, type Observable } from 'rxjs';
import { FleetError } from '../../src/core/fleetError.js';
import { createNode, type Node } from '../../src/core/node.js';
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
