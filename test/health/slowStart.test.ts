import fc from 'fast-check';
import { Subject } from 'rxjs';
import { isRoutable } from '../../src/core/isRoutable.js';
import { createNode, updateNode, type Availability } from '../../src/core/node.js';
import { NodeSet } from '../../src/core/nodeSet.js';
import { slowStart } from '../../src/health/slowStart.js';
import { VirtualTime } from './virtualTime.js';

const ids = ['a', 'b'];
const node = (id: string) => createNode({ id, address: '10.0.0.1:1', availability: 'ready' });

describe('slowStart', () => {
  it('gives each node the weight of the formula, at most a step late, whatever comes, goes and returns', () => {
    const step = fc.record({
      waitMs: fc.oneof(fc.integer({ min: 0, max: 4_000 }), fc.integer({ min: 0, max: 1_100 })),
      id: fc.constantFrom(...ids),
      become: fc.constantFrom<Availability | 'gone' | 'heavier'>('ready', 'ready', 'unavailable', 'gone', 'heavier'),
    });
    const options = fc.record({
      windowMs: fc.integer({ min: 1, max: 20_000 }),
      aggression: fc.constantFrom(0.5, 1, 2, 3.5),
      minWeight: fc.constantFrom(0.001, 0.1, 0.5, 1),
    });
    fc.assert(
      fc.property(options, fc.array(step, { maxLength: 40 }), (rules, steps) => {
        const { windowMs, aggression, minWeight } = rules;
        const clock = new VirtualTime();
        const source$ = new Subject<NodeSet>();
        let shown = NodeSet.empty;
        const subscription = source$.pipe(slowStart(rules, { scheduler: clock })).subscribe((set) => (shown = set));
        let set = NodeSet.empty;
        // The model: since when each node takes calls, and since when it does not.
        const since = new Map<string, number>();
        const left = new Map<string, { at: number; since: number }>();
        for (const { waitMs, id, become } of steps) {
          clock.advance(waitMs);
          const before = set.get(id);
          if (become === 'gone') set = set.without(id);
          else if (become !== 'heavier') set = set.with(updateNode(before ?? node(id), { availability: become }));
          else if (before) set = set.with(updateNode(before, { weight: before.weight * 2 }));
          const now = clock.now();
          const after = set.get(id);
          if (!after) [since, left].forEach((map) => map.delete(id));
          else if (!isRoutable(after)) {
            if (since.has(id)) left.set(id, { at: now, since: since.get(id)! });
            since.delete(id);
          } else if (!since.has(id)) {
            const was = left.get(id);
            since.set(id, was && now - was.at < 1_000 ? was.since : now);
            left.delete(id);
          }
          source$.next(set);

          expect(shown.nodes.map((each) => each.id).sort()).toEqual(set.nodes.map((each) => each.id).sort());
          for (const original of set.nodes) {
            const { weight } = shown.get(original.id)!;
            const begun = since.get(original.id);
            if (begun === undefined) {
              expect(weight).toBe(original.weight);
              continue;
            }
            const part = (age: number) =>
              Math.max(minWeight, Math.min(1, Math.max(0, age) / windowMs) ** (1 / aggression));
            const age = now - begun;
            // Timers are whole milliseconds, and run late by less than one.
            const lateMs = windowMs / 20 + 2;
            expect(weight / original.weight).toBeLessThanOrEqual(part(age) + 1e-9);
            expect(weight / original.weight).toBeGreaterThanOrEqual(part(age - lateMs) - 1e-9);
            if (age > windowMs + lateMs) expect(shown.get(original.id)).toBe(original);
          }
        }
        clock.advance(windowMs * 1.05 + 2);
        expect(shown).toBe(set);
        expect(clock.timers).toBe(0);
        subscription.unsubscribe();
      }),
      { numRuns: 300 },
    );
  });

  it('is told of one change when one of 10,000 changes, warm or not', () => {
    const clock = new VirtualTime();
    const source$ = new Subject<NodeSet>();
    const sets: NodeSet[] = [];
    source$.pipe(slowStart({ windowMs: 10_000 }, { scheduler: clock })).subscribe((set) => sets.push(set));
    let set = NodeSet.of(Array.from({ length: 10_000 }, (_, i) => node(`n${i}`)));
    source$.next(set);
    clock.advance(100);
    set = set.with(updateNode(set.nodes[7]!, { zone: 'a' }));
    source$.next(set);
    const [first, second] = sets as [NodeSet, NodeSet];
    expect(second.changesSince(first).updated.map(({ id }) => id)).toEqual(['n7']);
    expect(second.nodes.filter((each, i) => each !== first.nodes[i])).toHaveLength(1);
  });

  it('shows sets in order to everybody, when the sight of one causes the next', () => {
    const clock = new VirtualTime();
    const source$ = new Subject<NodeSet>();
    const shown$ = new Subject<NodeSet>();
    const seen: string[] = [];
    const heavier = updateNode(node('a'), { weight: 2 });
    shown$.subscribe((set) => {
      // A step of a's weight leads to a change of a, within its delivery.
      if (set.get('a')!.weight === 0.15) source$.next(NodeSet.of([heavier]));
    });
    shown$.subscribe((set) => seen.push(set.get('a')!.weight.toFixed(2)));
    source$.pipe(slowStart({ windowMs: 1_000 }, { scheduler: clock })).subscribe(shown$);
    source$.next(NodeSet.of([node('a')]));
    clock.advance(160);
    expect(seen).toEqual(['0.10', '0.10', '0.10', '0.15', '0.30']);
  });
});
