import { map, Observable, share } from 'rxjs';
import type { Balancer, Picker } from '../../src/balancer/picker.js';
import { pickerOf } from '../../src/balancer/pickerOf.js';
import { random } from '../../src/balancer/random.js';
import { roundRobin } from '../../src/balancer/roundRobin.js';
import { weightedRandom } from '../../src/balancer/weightedRandom.js';
import type { Node } from '../../src/core/node.js';
import { testBalancer, type TestBalancerOptions } from '../../src/testing/testBalancer.js';

/** The titles of the cases that a balancer fails. */
function failures(make: (random: () => number) => Balancer, options: TestBalancerOptions = {}): string[] {
  const failed: string[] = [];
  const runner = {
    describe: (_: string, body: () => void) => body(),
    it: (title: string, body: () => void | Promise<void>) => {
      try {
        void body();
      } catch {
        failed.push(title);
      }
    },
  };
  testBalancer(make, { runner, seed: 1, ...options });
  return failed;
}

/** Round robin whose pickers are tampered with. */
const tampered =
  (tamper: (picker: Picker) => Picker): (() => Balancer) =>
  () =>
  (set$) =>
    set$.pipe(
      roundRobin(),
      map((picker) => tamper(picker)),
    );

/** A custom balancer that chooses by a function. */
const choosing =
  (choose: (nodes: readonly Node[], key: string) => Node | undefined): Balancer =>
  (set$) =>
    set$.pipe(map((set) => pickerOf(set, (nodes, { key = '' }) => choose(nodes, key))));

const least = (nodes: readonly Node[], of: (node: Node) => number): Node =>
  nodes.map((node) => ({ node, score: of(node) })).reduce((a, b) => (b.score < a.score ? b : a)).node;

describe('testBalancer', () => {
  it('finds nothing wrong with a good one', () => {
    expect(failures(() => roundRobin(), { spread: true })).toEqual([]);
  });

  it('catches one that picks nodes that take no calls', () => {
    const any = tampered((picker) => ({
      set: picker.set,
      pick: (context) => {
        const pick = picker.pick(context);
        return pick.node
          ? {
              end: pick.end.bind(pick),
              release: pick.release.bind(pick),
              why: pick.why,
              node: picker.set.nodes[0]!,
            }
          : pick;
      },
    }));
    expect(failures(any)).toContain('only nodes that may take calls are picked');
  });

  it('catches one that does not look at what a call requires', () => {
    const blind = tampered((picker) => ({
      set: picker.set,
      pick: ({ key, exclude, strict }) => picker.pick({ key, exclude, strict }),
    }));
    expect(failures(blind)).toEqual([
      'a call goes only to a node that offers what it requires',
      'a call that nobody can take fails at once, unless a node that comes may take it',
      'why tells of each node that could not take the call',
    ]);
  });

  it('catches one that does not look at what was tried', () => {
    const stubborn = tampered((picker) => ({
      set: picker.set,
      pick: ({ key, requires }) => picker.pick({ key, requires }),
    }));
    expect(failures(stubborn)).toEqual([
      'a node that was tried is taken again only when nobody else is left',
      'where it must not be, a node that was tried is not taken again even when nobody else is left',
      'why tells of each node that could not take the call',
    ]);
  });

  it('catches one that counts an end twice', () => {
    const twice = tampered((picker) => ({
      set: picker.set,
      pick: (context) => {
        const pick = picker.pick(context);
        if (!pick.node) return pick;
        const { node } = pick;
        return {
          node,
          end: (outcome) => node.stats.end(outcome),
          release: () => pick.release(),
          get why() {
            return pick.why;
          },
        };
      },
    }));
    expect(failures(twice)).toEqual([
      'a pick that is given back was never made',
      'a pick is in flight until its end, and ends once',
    ]);
  });

  it('catches state that subscribers share', () => {
    const shared = (): Balancer => {
      let turn = 0;
      return (set$) => set$.pipe(map((set) => pickerOf(set, (nodes) => nodes[turn++ % nodes.length])));
    };
    expect(failures(shared)).toEqual(['two subscribers never share']);
  });

  it('catches a turn that starts over with each set', () => {
    const forgetful = (): Balancer => (set$) =>
      set$.pipe(
        map((set) => {
          let turn = 0;
          return pickerOf(set, (nodes) => nodes[turn++ % nodes.length]);
        }),
      );
    const failed = failures(forgetful, { spread: true });
    expect(failed).toContain('the shares stay equal when each call finds a new set');
    expect(failed).toContain('nodes that restart one after the other leave nobody favoured among the rest');
  });

  it('catches shares that are not what was claimed', () => {
    const first = (): Balancer => (set$) => set$.pipe(map((set) => pickerOf(set, ([node]) => node)));
    expect(failures(first)).toEqual([]);
    expect(failures(first, { spread: true })).toHaveLength(5);
    expect(failures(() => random(), { weighted: true })).toHaveLength(3);
    expect(failures((chance) => weightedRandom({ random: chance }), { weighted: true, spread: true })).toEqual([]);
  });

  it('catches a black hole: the idle node first, whatever it is idle for', () => {
    const idleFirst = (chance: () => number) =>
      choosing((nodes) => least(nodes, ({ stats }) => stats.inFlight + chance() / 2));
    expect(failures(idleFirst, { spread: true, loadAware: true })).toEqual([
      'a node that fails at once gets no more than its share, though it is always idle',
      'no node starves while others are faster, and one that has recovered gets calls again',
      'a node that fails at once gets fewer calls than each good one, at any latency and load',
      'a node that fails every second call at once draws no calls to it',
    ]);
  });

  it('catches one that forgets failures at the first success', () => {
    const forgiving = (chance: () => number) =>
      choosing((nodes) => {
        const well = nodes.filter(({ stats }) => chance() < 4 ** -stats.consecutiveFailures);
        return least(well.length ? well : nodes, ({ stats }) => stats.inFlight + chance() / 2);
      });
    expect(failures(forgiving, { spread: true, loadAware: true })).toEqual([
      'a node that fails every second call at once draws no calls to it',
    ]);
  });

  it('catches one that never takes a node again that has failed, and one that never takes a slow one', () => {
    const starves = 'no node starves while others are faster, and one that has recovered gets calls again';
    const grudging = (chance: () => number) =>
      choosing((nodes) => least(nodes, ({ stats }) => (stats.failures ? 1_000 : 0) + stats.inFlight + chance() / 2));
    expect(failures(grudging, { spread: true })).toEqual([starves]);
    const hasty = (chance: () => number) =>
      choosing((nodes) => least(nodes, ({ stats }) => (stats.ewmaLatencyMs > 500 ? 1_000 : chance())));
    expect(failures(hasty, { spread: true })).toContain(starves);
  });

  it('catches a claim to look at load where nobody looks', () => {
    expect(failures(() => roundRobin(), { spread: true, loadAware: true })).toEqual([
      'a node that fails at once gets fewer calls than each good one, at any latency and load',
      'a slow node gets fewer calls than each fast one',
    ]);
  });

  it('catches weights that count only while nothing is in flight, and weights that are looked at once', () => {
    const weighted = (nodes: readonly Node[], chance: number, weightOf = ({ weight }: Node) => weight) => {
      let rest = chance * nodes.reduce((sum, node) => sum + weightOf(node), 0);
      return nodes.find((node) => (rest -= weightOf(node)) < 0) ?? nodes[0];
    };
    const idle = (chance: () => number) =>
      choosing((nodes) =>
        nodes.every(({ stats }) => stats.inFlight === 0)
          ? weighted(nodes, chance())
          : least(nodes, ({ stats }) => stats.inFlight + chance() / 2),
      );
    expect(failures(idle, { weighted: true })).toEqual([
      'each node carries the share of its weight while calls take time',
    ]);
    const once = (chance: () => number) => {
      const first = new Map<string, number>();
      return choosing((nodes) => {
        for (const { id, weight } of nodes) if (!first.has(id)) first.set(id, weight);
        return weighted(nodes, chance(), ({ id }) => first.get(id)!);
      });
    };
    expect(failures(once, { weighted: true })).toEqual([
      'the shares stay those of the weights when each call finds a new set, and new weights count at once for new keys',
    ]);
  });

  it('catches keys that do not stay', () => {
    expect(failures(() => roundRobin(), { keyed: true })).toHaveLength(3);
    const modulo = (): Balancer => (set$) =>
      set$.pipe(map((set) => pickerOf(set, (nodes, { key = '' }) => nodes[Number(key.slice(4)) % nodes.length])));
    const failed = failures(modulo, { keyed: true });
    expect(failed).toContain('only the keys of a node that goes move, and they come back with it');
    expect(failed).toContain('a node that comes takes keys from all and moves no others');
    const places = (nodes: readonly Node[]) => nodes.flatMap((node) => new Array<Node>(node.weight).fill(node));
    const heavier = (): Balancer =>
      choosing((nodes, key) => places(nodes)[Number(key.slice(4)) % places(nodes).length] ?? nodes[0]);
    expect(failures(heavier, { keyed: true, weighted: true })).toContain(
      'when a node gains weight, keys move to it and few others move',
    );
  });

  it('catches one that subscribes early, keeps its source, or swallows an error', () => {
    const kept = (): Balancer => (set$) => {
      const hot$ = set$.pipe(share({ resetOnRefCountZero: false }));
      hot$.subscribe({ error: () => undefined });
      return hot$.pipe(roundRobin());
    };
    expect(failures(kept)).toContain('the source is left alone before a subscription and after its end');
    const deaf = (): Balancer => (set$) =>
      new Observable((subscriber) =>
        set$.pipe(roundRobin()).subscribe({ next: (p) => subscriber.next(p), error: () => undefined }),
      );
    expect(failures(deaf)).toEqual(['an error and a completion of the source come through']);
  });
});
