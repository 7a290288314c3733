import fc from 'fast-check';
import { performance } from 'node:perf_hooks';
import { Subject } from 'rxjs';
import { FleetError } from '../../src/core/fleetError.js';
import { createNode, updateNode, type Node } from '../../src/core/node.js';
import { NodeSet } from '../../src/core/nodeSet.js';
import { preferNodes } from '../../src/discovery/preferNodes.js';
import { whereMetadata } from '../../src/discovery/whereMetadata.js';
import { whereNamespace } from '../../src/discovery/whereNamespace.js';
import { whereNodes } from '../../src/discovery/whereNodes.js';
import { whereTags } from '../../src/discovery/whereTags.js';
import { whereVersion } from '../../src/discovery/whereVersion.js';
import { whereZone } from '../../src/discovery/whereZone.js';

const sorted = (set: NodeSet | undefined) => [...(set?.nodes ?? [])].sort((a, b) => (a.id < b.id ? -1 : 1));
const even = ({ weight }: Node) => weight % 2 === 0;

describe('filters that follow changes', () => {
  it('list the same as a filter over each whole set, whatever comes and goes', () => {
    const step = fc.record({
      put: fc.array(fc.tuple(fc.integer({ min: 0, max: 15 }), fc.integer({ min: 1, max: 4 })), { maxLength: 4 }),
      drop: fc.array(fc.integer({ min: 0, max: 15 }), { maxLength: 3 }),
      anew: fc.boolean(),
      stale: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const set$ = new Subject<NodeSet>();
        let kept: NodeSet | undefined;
        let preferred: NodeSet | undefined;
        set$.pipe(whereNodes(even)).subscribe((set) => (kept = set));
        const choices = [
          { name: 'even', test: even },
          { name: 'any', test: () => true },
        ];
        set$.pipe(preferNodes(choices)).subscribe((set) => (preferred = set));
        let set = NodeSet.empty;
        for (const { put, drop, anew, stale } of steps) {
          set = set
            .without(...drop.map((i) => `n${i}`))
            .with(...put.map(([i, weight]) => createNode({ id: `n${i}`, address: `h:${i + 1}`, weight })))
            .withStale(stale ? (set.stale ?? { since: 1, reason: 'cut off' }) : undefined);
          if (anew) set = NodeSet.of(set.nodes, set.stale);
          set$.next(set);
          const expected = sorted(set).filter(even);
          expect(sorted(kept)).toEqual(expected);
          expect(sorted(preferred)).toEqual(expected.length > 0 ? expected : sorted(set));
          for (const each of [kept, preferred]) {
            expect(each!.stale).toEqual(set.stale);
            for (const node of each!.nodes) expect(node).toBe(set.get(node.id));
          }
        }
      }),
    );
  });

  it('one change among 10,000 nodes costs far less than looking at all of them', () => {
    const set$ = new Subject<NodeSet>();
    let asked = 0;
    let told = 0;
    const versioned = whereVersion({ prefer: '^1.4', fallback: '^1' });
    const counted = whereNodes(() => (asked++, true));
    set$
      .pipe(versioned, whereTags('gpu', 'env=*'), whereZone('eu-1', { fallback: true }), counted)
      .subscribe(() => told++);
    let set = NodeSet.of(
      Array.from({ length: 10_000 }, (_, i) =>
        createNode({
          id: `n${i}`,
          address: `h:${i + 1}`,
          version: `1.4.${i % 7}`,
          zone: `eu-${i % 2}`,
          tags: { gpu: '', env: 'prod' },
        }),
      ),
    );
    set$.next(set);
    asked = told = 0;
    const times: number[] = [];
    for (let i = 0; i < 300; i++) {
      const node = set.get(`n${i}`)!;
      set = set.with(updateNode(node, { weight: 2 }));
      const begin = performance.now();
      set$.next(set);
      times.push(performance.now() - begin);
    }
    times.sort((a, b) => a - b);
    console.log(`4 filters over 10,000 nodes, one change: median ${(times[150]! * 1_000).toFixed(0)} µs`);
    // Half of the nodes are in the zone: only their changes come through, each asked for once.
    expect([asked, told]).toEqual([150, 150]);
    expect(times[150]!).toBeLessThan(5);
  });
});

describe('filters', () => {
  it.each([
    [() => whereNamespace(''), /whereNamespace/],
    [() => whereNamespace([]), /whereNamespace/],
    [() => whereZone(''), /whereZone/],
    [() => whereZone('a', { fallback: [''] }), /whereZone/],
    [() => whereTags('gpu', ''), /whereTags, filter 2/],
    [() => whereMetadata({ key: '' }), /whereMetadata, filter 1/],
    [() => preferNodes([]), /preferNodes/],
  ])('what makes no sense is refused by name: %s', (make, what) => {
    expect(make).toThrow(FleetError);
    expect(make).toThrow(what);
  });

  it('keep the provenance of each node', () => {
    const set$ = new Subject<NodeSet>();
    let kept: NodeSet | undefined;
    set$.pipe(whereTags('gpu'), whereVersion('1.x')).subscribe((set) => (kept = set));
    set$.next(
      NodeSet.of([createNode({ address: 'h:1', version: '1.0.0', tags: { gpu: '' }, sources: ['etcd', 'mdns'] })]),
    );
    expect(kept!.nodes[0]!.sources).toEqual(['etcd', 'mdns']);
  });
});
