import { BehaviorSubject, Observable, Subject } from 'rxjs';
import { consistentHash } from '../../src/balancer/consistentHash.js';
import { grouped } from '../../src/balancer/grouped.js';
import type { Grouping, Shares } from '../../src/balancer/grouped/grouping.js';
import type { Balancer, Picker } from '../../src/balancer/picker.js';
import { priorityFailover } from '../../src/balancer/priorityFailover.js';
import { roundRobin } from '../../src/balancer/roundRobin.js';
import { splitByWeight } from '../../src/balancer/splitByWeight.js';
import { zoneAware } from '../../src/balancer/zoneAware.js';
import { createNode, updateNode, type Node, type NodeInit } from '../../src/core/node.js';
import { NodeSet } from '../../src/core/nodeSet.js';

const node = (id: string, more: NodeInit = {}) => createNode({ id, address: `${id}.example:1`, ...more });
/** By the first letter of the id. */
const letter = ({ id }: Node) => id[0]!;
const even = (size: number): Shares => ({ first: Array<number>(size).fill(1), next: Array<number>(size).fill(1) });

const groupingOf = (more: Partial<Grouping> = {}): Grouping => ({
  ...{ name: 'letters', seed: 1, random: () => 0, groupOf: letter, balancerOf: () => roundRobin() },
  spread: (parts) => ({ sharesFor: () => even(parts.length) }),
  elsewhere: (each) => `group ${letter(each)}`,
  ...more,
});

function bedOf(grouping: Grouping, ...first: readonly Node[]) {
  const nodes$ = new BehaviorSubject(NodeSet.of(first));
  const pickers: Picker[] = [];
  let error: unknown;
  const life = grouped(nodes$, grouping).subscribe({
    next: (picker) => pickers.push(picker),
    error: (thrown: unknown) => (error = thrown),
  });
  return {
    ...{ nodes$, life, pickers },
    next: (...nodes: readonly Node[]) => nodes$.next(NodeSet.of(nodes)),
    picker: () => pickers.at(-1)!,
    error: () => error,
  };
}

/** Counts who subscribes to it and who has left. */
function watched(): { readonly balancer: Balancer; readonly open: () => number; readonly made: () => number } {
  let open = 0;
  let made = 0;
  const balancer: Balancer = (set$) =>
    new Observable((subscriber) => {
      open++;
      made++;
      subscriber.add(() => open--);
      subscriber.add(set$.pipe(roundRobin()).subscribe(subscriber));
    });
  return { balancer, open: () => open, made: () => made };
}

describe('grouped', () => {
  it('a group works from its first node to its last, and everything ends with the subscription', () => {
    const { balancer, open, made } = watched();
    const bed = bedOf(groupingOf({ balancerOf: () => balancer }), node('a1'), node('b1'));
    expect(open()).toBe(2);
    bed.next(node('a1'));
    expect(open()).toBe(1);
    bed.next(node('a1'), node('b1'), node('c1'));
    expect([open(), made()]).toEqual([3, 4]);
    bed.next();
    expect(open()).toBe(0);
    bed.next(node('a1'));
    bed.life.unsubscribe();
    expect(open()).toBe(0);
  });

  it('a group that does not change keeps its picker, and its turn when it does', () => {
    let shown = 0;
    const balancer: Balancer = (set$) =>
      new Observable((subscriber) => {
        subscriber.add(set$.pipe(roundRobin()).subscribe((picker) => (shown++, subscriber.next(picker))));
      });
    const [a1, a2, b1] = [node('a1'), node('a2'), node('b1')] as const;
    const bed = bedOf(groupingOf({ balancerOf: () => balancer }), a1, a2, b1);
    expect(bed.picker().pick({}).node!.id).toBe('a1');
    shown = 0;
    bed.nodes$.next(bed.nodes$.value.with(node('b2')));
    expect(shown).toBe(1);
    expect(bed.picker().pick({}).node!.id).toBe('a2');
    bed.nodes$.next(bed.nodes$.value.with(updateNode(a1, { zone: 'z' })));
    expect(bed.picker().pick({}).node).toMatchObject({ id: 'a1', zone: 'z' });
  });

  it('a node that moves to another group leaves the one before', () => {
    const bed = bedOf(groupingOf({ groupOf: ({ zone }) => zone }), node('x', { zone: 'a' }), node('y', { zone: 'a' }));
    bed.next(node('x', { zone: 'b' }), node('y', { zone: 'a' }));
    const picked = [0, 0.9].map((chance) => {
      const picker = bedOf(
        groupingOf({ groupOf: ({ zone }) => zone, random: () => chance }),
        ...bed.nodes$.value.nodes,
      ).picker();
      return picker.pick({}).node!.id;
    });
    expect(picked).toEqual(['y', 'x']);
    expect(bed.picker().pick({ exclude: new Set(['y']) }).node!.id).toBe('x');
  });

  it('spreads again when told to, without a new set', () => {
    const changed$ = new Subject<void>();
    let first: readonly number[] = [1, 0];
    const bed = bedOf(
      groupingOf({ changed$, spread: () => ({ sharesFor: () => ({ first, next: undefined }) }) }),
      node('a1'),
      node('b1'),
    );
    expect(bed.picker().pick({}).node!.id).toBe('a1');
    first = [0, 1];
    expect(bed.picker().pick({}).node!.id).toBe('a1');
    changed$.next();
    expect(bed.picker().pick({}).node!.id).toBe('b1');
    bed.life.unsubscribe();
    expect(changed$.observed).toBe(false);
  });

  it('asks for the shares of a requirement once a set, and goes on with any number of requirements', () => {
    const asked: (string | undefined)[] = [];
    const spread: Grouping['spread'] = (parts) => ({
      sharesFor: (requires) => (asked.push(requires?.name), even(parts.length)),
    });
    const bed = bedOf(groupingOf({ spread }), node('a1'), node('b1'));
    for (let i = 0; i < 10; i++) {
      bed.picker().pick({});
      bed.picker().pick({ requires: { name: 'any', test: () => true } });
    }
    expect(asked).toEqual([undefined, 'any']);
    for (let i = 0; i < 1_000; i++) {
      const requires = { name: `task ${i}`, test: ({ id }: Node) => id === 'b1' };
      expect(bed.picker().pick({ requires }).node!.id).toBe('b1');
    }
  });

  it('never gives a call to a group without a share, unless it takes over', () => {
    const only = (next: readonly number[] | undefined) =>
      bedOf(
        groupingOf({ spread: () => ({ sharesFor: () => ({ first: [1, 0, 0], next }) }) }),
        ...'abc'.split('').map((id) => node(id)),
      );
    const exclude = new Set(['a']);
    expect(only(undefined).picker().pick({ exclude }).node!.id).toBe('a');
    expect(only(undefined).picker().pick({ exclude, strict: true }).node).toBeUndefined();
    expect(only([0, 0, 1]).picker().pick({ exclude }).node!.id).toBe('c');
    expect(only([1, 1, 1]).picker().pick({ exclude }).node!.id).toBe('b');
  });

  it('dials whom the balancers within would dial', () => {
    const firstOnly: Balancer = (set$) =>
      new Observable((subscriber) => {
        subscriber.add(
          set$.pipe(roundRobin()).subscribe((picker) => {
            const reach = NodeSet.of(picker.set.nodes.slice(0, 1));
            subscriber.next({ set: picker.set, reach, pick: (context) => picker.pick(context) });
          }),
        );
      });
    const nodes = [node('a1'), node('a2'), node('b1'), node('b2')];
    const narrowed = bedOf(groupingOf({ balancerOf: (name) => (name === 'a' ? firstOnly : roundRobin()) }), ...nodes);
    expect(narrowed.picker().reach!.nodes.map(({ id }) => id)).toEqual(['a1', 'b1', 'b2']);
    expect(narrowed.picker().reach).toBe(narrowed.picker().reach);
    expect(bedOf(groupingOf(), ...nodes).picker().reach).toBeUndefined();
  });

  it('what goes wrong within, or in a callback, is the error of the stream, and ends it all', () => {
    const broken: Balancer = () =>
      new Observable((subscriber) => subscriber.error(new Error('the balancer within gave up')));
    const within = bedOf(groupingOf({ balancerOf: () => broken }), node('a1'));
    expect(within.error()).toEqual(new Error('the balancer within gave up'));
    expect(within.nodes$.observed).toBe(false);
    const { balancer, open } = watched();
    const spread: Grouping['spread'] = (parts) => {
      if (parts.length > 1) throw new Error('cannot spread');
      return { sharesFor: () => even(parts.length) };
    };
    const callback = bedOf(groupingOf({ balancerOf: () => balancer, spread }), node('a1'));
    callback.next(node('a1'), node('b1'));
    expect(callback.error()).toEqual(new Error('cannot spread'));
    expect([open(), callback.nodes$.observed]).toEqual([0, false]);
  });

  it('survives a subscriber that feeds the next set from within', () => {
    const nodes$ = new BehaviorSubject(NodeSet.of([node('a1')]));
    const sizes: number[] = [];
    grouped(nodes$, groupingOf()).subscribe(({ set }) => {
      sizes.push(set.size);
      if (set.size < 4) nodes$.next(set.with(node(`${'abcd'[set.size]}1`)));
    });
    expect(sizes).toEqual([1, 2, 3, 4]);
  });
});

describe('groupings within groupings', () => {
  const expectAbout = (found: number, expected: number) => expect(Math.abs(found - expected)).toBeLessThan(0.015);

  it('draw independently for the same keys, so that none sees only a part of them', () => {
    const zones = ['eu', 'us'].flatMap((zone) =>
      [0, 1].flatMap((priority) =>
        [0, 1, 2, 3].flatMap((i) =>
          ['blue', 'green'].map((group) =>
            node(`${zone}${priority}${group}${i}`, {
              ...{ zone, tags: { group }, metadata: { priority: String(priority) } },
              health: priority === 0 && i > 1 ? 'ejected' : 'unknown',
            }),
          ),
        ),
      ),
    );
    const balancer = splitByWeight(
      { blue: 1, green: 1 },
      {
        balancer: priorityFailover({
          balancer: zoneAware({ zone: 'eu', clients: { eu: 3, us: 1 }, minNodes: 1, balancer: consistentHash() }),
        }),
      },
    );
    const pickers: Picker[] = [];
    new BehaviorSubject(NodeSet.of(zones)).pipe(balancer).subscribe((picker) => pickers.push(picker));
    const counts = new Map<string, number>();
    const keys = 20_000;
    for (let i = 0; i < keys; i++) {
      const { tags, metadata, zone } = pickers[0]!.pick({ key: `user-${i}` }).node!;
      const place = `${tags.group} ${metadata.priority} ${zone}`;
      counts.set(place, (counts.get(place) ?? 0) + 1);
    }
    // 0.7 of the calls for priority 0, two thirds of the calls for the zone.
    for (const group of ['blue', 'green']) {
      for (const [priority, share] of [
        ['0', 0.7],
        ['1', 0.3],
      ] as const) {
        expectAbout(counts.get(`${group} ${priority} eu`)! / keys, (0.5 * share * 2) / 3);
        expectAbout(counts.get(`${group} ${priority} us`)! / keys, (0.5 * share) / 3);
      }
    }
  });
});
