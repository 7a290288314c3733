import { performance } from 'node:perf_hooks';
import { BehaviorSubject, Observable, Subject } from 'rxjs';
import { consistentHash } from '../../src/balancer/consistentHash.js';
import { leastLoaded } from '../../src/balancer/leastLoaded.js';
import type { Picker, Requirement } from '../../src/balancer/picker.js';
import { pickerOf } from '../../src/balancer/pickerOf.js';
import { roundRobin } from '../../src/balancer/roundRobin.js';
import { splitByWeight } from '../../src/balancer/splitByWeight.js';
import { FleetError } from '../../src/core/fleetError.js';
import { createNode, updateNode, type Node } from '../../src/core/node.js';
import { NodeSet } from '../../src/core/nodeSet.js';
import { testBalancer } from '../../src/testing/testBalancer.js';

const byId = ({ id }: Node) => (id.charCodeAt(id.length - 1) % 2 === 0 ? 'even' : 'odd');

testBalancer((random) => splitByWeight({ all: 1 }, { random }), { name: 'splitByWeight of one group', spread: true });
testBalancer((random) => splitByWeight({ even: 1, odd: 1 }, { groupOf: byId, random }), {
  name: 'splitByWeight of two groups',
});
testBalancer((random) => splitByWeight({ all: 1 }, { balancer: consistentHash({ random }), random }), {
  name: 'splitByWeight over consistentHash',
  keyed: true,
});

const node = (id: string, group?: string, more = {}) =>
  createNode({ id, address: `${id}.example:1`, tags: group === undefined ? {} : { group }, ...more });
const stable = Array.from({ length: 9 }, (_, i) => node(`s${i}`, 'stable'));
const canary = [node('c0', 'canary'), node('c1', 'canary')];
const groupOf = ({ tags }: Node) => tags.group!;

const pickerIn = (set$: Observable<NodeSet>, ...args: Parameters<typeof splitByWeight>) => {
  const pickers: Picker[] = [];
  set$.pipe(splitByWeight(...args)).subscribe((picker) => pickers.push(picker));
  return () => pickers.at(-1)!;
};
const shares = (picker: Picker, calls: number, keyed: boolean): Record<string, number> => {
  const counts: Record<string, number> = {};
  for (let i = 0; i < calls; i++) {
    const pick = picker.pick(keyed ? { key: `user-${i}` } : {});
    const group = groupOf(pick.node!);
    counts[group] = (counts[group] ?? 0) + 1;
    if (pick.node) pick.end({ status: 'ok', latencyMs: 1 });
  }
  return counts;
};
const home = (picker: Picker, keys = 5_000) =>
  Array.from({ length: keys }, (_, i) => {
    const { node } = picker.pick({ key: `user-${i}` });
    return node ? groupOf(node) : 'nobody';
  });

describe('splitByWeight', () => {
  it.each([true, false])('each group has its share, however many nodes it has (keys: %s)', (keyed) => {
    const set$ = new BehaviorSubject(NodeSet.of([...stable, ...canary]));
    const counts = shares(pickerIn(set$, { stable: 90, canary: 10 })(), 50_000, keyed);
    expect(counts.canary! / 50_000).toBeGreaterThan(0.09);
    expect(counts.canary! / 50_000).toBeLessThan(0.11);
  });

  it('a key stays in its group while nodes come, go and change', () => {
    const set$ = new BehaviorSubject(NodeSet.of([...stable, ...canary]));
    const picker = pickerIn(set$, { stable: 90, canary: 10 });
    const before = home(picker());
    set$.next(NodeSet.of([...stable.slice(3), node('s9', 'stable'), canary[0]!]));
    expect(home(picker())).toEqual(before);
    set$.next(NodeSet.of([...canary, ...stable].map((each) => updateNode(each, { weight: 2 }))));
    expect(home(picker())).toEqual(before);
  });

  it('a growing canary takes keys from the others and gives none back', () => {
    const set$ = new BehaviorSubject(NodeSet.of([...stable, ...canary]));
    const before = home(pickerIn(set$, { stable: 90, canary: 10 })());
    const after = home(pickerIn(set$, { stable: 70, canary: 30 })());
    const back = before.filter((group, i) => group === 'canary' && after[i] !== 'canary');
    expect(back).toEqual([]);
    expect(after.filter((group) => group === 'canary').length).toBeGreaterThan(1_350);
  });

  it('two splits with other salts draw independently', () => {
    const set$ = new BehaviorSubject(NodeSet.of([...stable, ...canary]));
    const one = home(pickerIn(set$, { stable: 1, canary: 1 }, { salt: 'one' })());
    const two = home(pickerIn(set$, { stable: 1, canary: 1 }, { salt: 'two' })());
    const same = one.filter((group, i) => group === two[i]).length / one.length;
    expect(same).toBeGreaterThan(0.45);
    expect(same).toBeLessThan(0.55);
  });

  it('the calls of a group that is down spread over the others by their weights, and each key stays where it fell', () => {
    const blue = node('b', 'blue');
    const green = node('g', 'green');
    const set$ = new BehaviorSubject(NodeSet.of([...stable, ...canary, blue, green]));
    const picker = pickerIn(set$, { stable: 10, canary: 50, blue: 30, green: 10 });
    const before = home(picker());
    set$.next(NodeSet.of([...stable, blue, green]));
    const after = home(picker());
    expect(home(picker())).toEqual(after);
    const moved = after.filter((_, i) => before[i] === 'canary');
    expect(after.every((group, i) => before[i] === 'canary' || group === before[i])).toBe(true);
    expect(moved.filter((group) => group === 'blue').length / moved.length).toBeCloseTo(0.6, 1);
  });

  it('why names the group that was drawn, the one that took the call, and everybody left out', () => {
    const sick = updateNode(canary[0]!, { health: 'notServing' });
    const foreign = node('f', 'other');
    const set$ = new BehaviorSubject(NodeSet.of([stable[0]!, sick, foreign]));
    const pick = pickerIn(set$, { stable: 1, canary: 1 }, { random: () => 0.9 })().pick({});
    expect(pick.node!.id).toBe('s0');
    expect(pick.why).toEqual({
      strategy: 'split_by_weight (canary has nobody, fell to stable): round_robin',
      candidates: [{ node: 's0' }],
      leftOut: [
        { node: 'c0', obstacle: 'notServing', reason: 'not serving' },
        { node: 'f', obstacle: 'elsewhere', reason: 'group other has no share' },
      ],
    });
    const straight = pickerIn(set$, { stable: 1, canary: 1 }, { random: () => 0.1 })().pick({});
    expect(straight.why.strategy).toBe('split_by_weight (stable): round_robin');
  });

  it('without a fallback, nobody says which group has nobody, and who was elsewhere', () => {
    const set$ = new BehaviorSubject(NodeSet.of([stable[0]!]));
    const pick = pickerIn(set$, { stable: 1, canary: 1 }, { random: () => 0.9, fallback: false })().pick({});
    expect(pick).toMatchObject({ pending: false, code: 'NO_NODES' });
    expect(pick.why).toEqual({
      strategy: 'split_by_weight (canary has nobody)',
      candidates: [],
      leftOut: [{ node: 's0', obstacle: 'elsewhere', reason: 'in group stable' }],
    });
  });

  it('a group that is being dialled is waited for only without a fallback', () => {
    const dialled = node('c', 'canary', { availability: 'connecting' });
    const set$ = new BehaviorSubject(NodeSet.of([stable[0]!, dialled]));
    const drawCanary = { random: () => 0.9 };
    expect(pickerIn(set$, { stable: 1, canary: 1 }, drawCanary)().pick({}).node!.id).toBe('s0');
    const strict = pickerIn(set$, { stable: 1, canary: 1 }, { ...drawCanary, fallback: false })().pick({});
    expect(strict).toMatchObject({ node: undefined, pending: true });
  });

  it('a call can require its group', () => {
    const set$ = new BehaviorSubject(NodeSet.of([...stable, ...canary]));
    const picker = pickerIn(set$, { stable: 90, canary: 10 });
    const requires: Requirement = { name: 'canary', test: (each) => groupOf(each) === 'canary' };
    for (let i = 0; i < 100; i++) expect(groupOf(picker().pick({ key: `user-${i}`, requires }).node!)).toBe('canary');
  });

  it('a group of weight 0 takes nothing, also when all others are down', () => {
    const set$ = new BehaviorSubject(NodeSet.of(canary));
    expect(pickerIn(set$, { stable: 1, canary: 0 })().pick({}).node).toBeUndefined();
  });

  it('nodes of no group can be left out', () => {
    const set$ = new BehaviorSubject(NodeSet.of([node('u')]));
    expect(pickerIn(set$, { stable: 1 })().pick({}).node!.id).toBe('u');
    const strict = pickerIn(set$, { stable: 1 }, { ungrouped: null })().pick({});
    expect(strict.why.leftOut).toEqual([{ node: 'u', obstacle: 'elsewhere', reason: 'in no group' }]);
  });

  it('each group can have a balancer of its own, and groups stand in metadata, too', () => {
    const set$ = new BehaviorSubject(
      NodeSet.of([...stable, createNode({ address: 'm:1', metadata: { group: 'meta' } })]),
    );
    const balancer = { stable: leastLoaded(), meta: roundRobin() };
    const pick = pickerIn(set$, { stable: 1, meta: 1 }, { balancer, random: () => 0.9 })().pick({});
    expect(pick.node!.id).toBe('m:1');
    expect(pick.why.strategy).toMatch(/meta.*round_robin/);
  });

  it('a balancer that changes its mind without a new set is heard', () => {
    const change$ = new Subject<void>();
    const set$ = new BehaviorSubject(NodeSet.of(stable));
    const moody = (sets$: Observable<NodeSet>) =>
      new Observable<Picker>((subscriber) => {
        let current = NodeSet.empty;
        let index = 0;
        const tell = () => subscriber.next(pickerOf(current, (nodes) => nodes[index]));
        const life = sets$.subscribe((set) => ((current = set), tell()));
        life.add(change$.subscribe(() => (index++, tell())));
        return life;
      });
    const picker = pickerIn(set$, { stable: 1 }, { balancer: moody });
    expect(picker().pick({}).node!.id).toBe('s0');
    change$.next();
    expect(picker().pick({}).node!.id).toBe('s1');
  });

  it('a groupOf that throws is the error of the stream', () => {
    const set$ = new BehaviorSubject(NodeSet.of(stable));
    let error: unknown;
    const broken = splitByWeight(
      { a: 1 },
      {
        groupOf: () => {
          throw 'no such field';
        },
      },
    );
    set$.pipe(broken).subscribe({ error: (thrown: unknown) => (error = thrown) });
    expect(error).toBe('no such field');
    expect(set$.observed).toBe(false);
  });

  it('refuses what makes no sense, by name', () => {
    const refused = [
      [() => splitByWeight({}), /weights/],
      [() => splitByWeight({ a: 0 }), /weights/],
      [() => splitByWeight({ a: -1 }), /weights\.a/],
      [() => splitByWeight({ a: Number.NaN }), /weights\.a/],
      [() => splitByWeight({ a: 1 }, { ungrouped: 'b' }), /ungrouped/],
      [() => splitByWeight({ a: 1 }, { balancer: { b: roundRobin() } }), /balancer\.b/],
    ] as const;
    for (const [make, what] of refused) {
      expect(make).toThrow(FleetError);
      expect(make).toThrow(what);
    }
  });

  it('costs little more than the balancer within', () => {
    const set$ = new BehaviorSubject(NodeSet.of(Array.from({ length: 1_000 }, (_, i) => node(`n${i}`, 'stable'))));
    const picker = pickerIn(set$, { stable: 90, canary: 10 })();
    const calls = 300_000;
    for (let i = 0; i < 50_000; i++) picker.pick({ key: 'k' });
    const begin = performance.now();
    for (let i = 0; i < calls; i++) {
      const pick = picker.pick({ key: 'user-7' });
      if (pick.node) pick.end({ status: 'ok', latencyMs: 1 });
    }
    const ns = ((performance.now() - begin) / calls) * 1e6;
    console.log(`splitByWeight over roundRobin, 1,000 nodes: ${ns.toFixed(0)} ns a pick`);
    expect(ns).toBeLessThan(20_000);
  });
});
