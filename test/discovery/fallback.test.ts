import fc from 'fast-check';
import { BehaviorSubject, filter, firstValueFrom, Observable, Subject } from 'rxjs';
import { FleetError } from '../../src/core/fleetError.js';
import { createNode } from '../../src/core/node.js';
import { NodeSet } from '../../src/core/nodeSet.js';
import { fallbackDiscovery } from '../../src/discovery/fallbackDiscovery.js';
import { staticNodes } from '../../src/discovery/staticNodes.js';
import { testDiscovery, type DiscoveryHarness } from '../../src/testing/testDiscovery.js';
import { EditableList } from './editableList.js';

/** The first list is the one that the suite edits; the second lists nobody. */
function leading(): DiscoveryHarness {
  let lists = [new EditableList(), new EditableList()] as const;
  return {
    start: () => void (lists = [new EditableList(), new EditableList()]),
    stop: () => expect(lists.map(({ listeners }) => listeners)).toEqual([0, 0]),
    discovery: () => fallbackDiscovery(staticNodes(lists[0].list$), staticNodes(lists[1].list$), { afterMs: 20 }),
    add: (node) => lists[0].put(node),
    update: (node) => lists[0].replace(node),
    remove: (name) => lists[0].remove(name),
    addBad: () => lists[0].addBad(),
    cut: () => lists[0].connect(false),
    restore: () => lists[0].connect(true),
    opened: () => lists[0].listeners + lists[1].listeners,
  };
}

/** The first source never speaks; the suite edits the second. */
function fallenBack(): DiscoveryHarness {
  const silent = new EditableList();
  silent.connect(false);
  const harness = leading();
  let list = new EditableList();
  return {
    ...harness,
    start: () => void (list = new EditableList()),
    stop: () => expect([silent.listeners, list.listeners]).toEqual([0, 0]),
    discovery: () => fallbackDiscovery(staticNodes(silent.list$), staticNodes(list.list$), { afterMs: 1 }),
    add: (node) => list.put(node),
    update: (node) => list.replace(node),
    remove: (name) => list.remove(name),
    addBad: () => list.addBad(),
    cut: () => list.connect(false),
    restore: () => list.connect(true),
    opened: () => list.listeners,
  };
}

testDiscovery('fallbackDiscovery, the first leading', leading());
testDiscovery('fallbackDiscovery, fallen back', fallenBack());

describe('fallbackDiscovery', () => {
  it('in real time, the file leads while the registry is away, and its nodes say where they are from', async () => {
    const registry = new EditableList();
    registry.connect(false);
    const set$ = fallbackDiscovery(staticNodes(registry.list$), staticNodes(['h:1']), { afterMs: 10 })({
      service: 's',
    });
    const seen: string[] = [];
    const subscription = set$.subscribe((set) => seen.push(set.nodes.map(({ id }) => id).join()));
    await firstValueFrom(set$.pipe(filter((set) => set.size === 1)));
    registry.put({ name: 'a', port: 1 });
    registry.connect(true);
    await firstValueFrom(set$.pipe(filter((set) => set.has('a'))));
    subscription.unsubscribe();
    expect(seen[0]).toBe('h:1');
    expect(registry.listeners).toBe(0);
  });

  it('whatever the discoveries say, the first that has nodes leads, and the later ones are left', () => {
    const node = (id: string) => createNode({ id, address: 'h:1', sources: [id] });
    const words = {
      nodes: (i: number) => NodeSet.of([node(`n${i}`)]),
      stale: (i: number) => NodeSet.of([node(`n${i}`)], { since: 0, reason: 'cut off' }),
      nothing: () => NodeSet.empty,
    };
    const step = fc.tuple(fc.integer({ min: 0, max: 2 }), fc.constantFrom('nodes', 'stale', 'nothing'));
    fc.assert(
      fc.property(fc.array(step as fc.Arbitrary<[number, keyof typeof words]>, { maxLength: 30 }), (steps) => {
        const sources = [0, 1, 2].map(() => new BehaviorSubject<NodeSet>(NodeSet.empty));
        let current: NodeSet | undefined;
        const subscription = fallbackDiscovery(...sources.map((source) => () => source), { afterMs: 0 })({
          service: 's',
        }).subscribe((set) => (current = set));
        for (const [i, word] of steps) {
          sources[i]!.next(words[word](i));
          const lead = sources.findIndex(({ value }) => value.size > 0);
          expect(current?.nodes.map(({ id }) => id)).toEqual(lead < 0 ? [] : [`n${lead}`]);
          expect(current?.stale).toEqual(lead < 0 ? undefined : sources[lead]!.value.stale);
          expect(sources.map(({ observed }) => observed)).toEqual([0, 1, 2].map((k) => lead < 0 || k <= lead));
        }
        subscription.unsubscribe();
        expect(sources.some(({ observed }) => observed)).toBe(false);
      }),
    );
  });

  it('a discovery that speaks while the next one is being asked is not confused with it', () => {
    const node = createNode({ id: 'x', address: 'h:1' });
    const first$ = new Subject<NodeSet>();
    const seen: string[] = [];
    const second = () =>
      new Observable<NodeSet>((subscriber) => {
        first$.next(NodeSet.of([node]));
        subscriber.next(NodeSet.of([createNode({ id: 'y', address: 'h:2' })]));
        subscriber.error(new FleetError('UNAVAILABLE', 'gone'));
      });
    const subscription = fallbackDiscovery(() => first$, second, { afterMs: 0 })({ service: 's' }).subscribe((set) =>
      seen.push(set.nodes.map(({ id }) => id).join()),
    );
    expect(seen).toEqual(['x']);
    subscription.unsubscribe();
    expect(first$.observed).toBe(false);
  });

  it('refuses what makes no sense, by name', () => {
    expect(() => fallbackDiscovery()).toThrow(FleetError);
    expect(() => fallbackDiscovery({ afterMs: 1 } as never)).toThrow(/at least one discovery/);
    expect(() => fallbackDiscovery(staticNodes([]), { afterMs: -1 })).toThrow(/afterMs/);
    expect(() => fallbackDiscovery(staticNodes([]), { staleAfterMs: Number.NaN })).toThrow(/staleAfterMs/);
  });
});
