/** Balancers against models that are slow and simple, while nodes come and go and calls begin, end and are given back. */

import fc from 'fast-check';
import { Subject, type SchedulerLike } from 'rxjs';
import { leastLoaded } from '../../src/balancer/leastLoaded.js';
import { leastRequest } from '../../src/balancer/leastRequest.js';
import { NodeDraw } from '../../src/balancer/nodeDraw.js';
import { PassedOver } from '../../src/balancer/passedOver.js';
import { peakEwma } from '../../src/balancer/peakEwma.js';
import type { Balancer, Pick, PickContext, Picker } from '../../src/balancer/picker.js';
import { RecentTime } from '../../src/balancer/recentTime.js';
import { weightedRoundRobin } from '../../src/balancer/weightedRoundRobin.js';
import { createNode, type Node } from '../../src/core/node.js';
import { NodeSet } from '../../src/core/nodeSet.js';
import { assertShares } from '../../src/testing/assertShares.js';
import { seededRandom } from '../../src/testing/seededRandom.js';

const fresh = (weights: readonly number[]) =>
  weights.map((weight, i) => createNode({ id: `n${i}`, address: '10.0.0.1:50051', weight }));

/** What happens next; `at` says to which of the nodes or of the open calls. */
type Step =
  | { readonly type: 'pick' }
  | { readonly type: 'pickExcept' | 'end' | 'fail' | 'cancel' | 'release'; readonly at: number }
  | { readonly type: 'set'; readonly listed: readonly number[] };

const size = 6;
const stepsOf = (types: Partial<Record<Exclude<Step['type'], 'pick' | 'set'>, number>>) =>
  fc.array(
    fc.oneof(
      { weight: 8, arbitrary: fc.constant<Step>({ type: 'pick' }) },
      ...Object.entries(types).map(([type, weight]) => ({
        weight,
        arbitrary: fc.nat(1_000).map((at) => ({ type, at }) as Step),
      })),
      {
        weight: 1,
        arbitrary: fc
          .uniqueArray(fc.nat(size - 1), { minLength: 1 })
          .map((listed): Step => ({ type: 'set', listed: listed.sort((a, b) => a - b) })),
      },
    ),
    { maxLength: 150 },
  );
const equalWeights = fc.constant(new Array<number>(size).fill(1));
const someWeights = fc.array(fc.constantFrom(1, 2, 4), { minLength: size, maxLength: size });

/** A balancer over nodes that come and go, and its open calls. */
class World {
  listed: readonly Node[];
  readonly open: Pick[] = [];
  last: Pick | undefined;
  private readonly all: readonly Node[];
  private readonly source = new Subject<NodeSet>();
  private picker: Picker | undefined;

  constructor(balancer: Balancer, weights: readonly number[]) {
    this.all = fresh(weights);
    this.listed = this.all;
    this.source.pipe(balancer).subscribe((next) => (this.picker = next));
    this.source.next(NodeSet.of(this.listed));
  }

  list(places: readonly number[]): void {
    this.listed = places.map((place) => this.all[place]!);
    this.source.next(NodeSet.of(this.listed));
  }

  pick(context: PickContext = {}): Node {
    const pick = this.picker!.pick(context) as Pick;
    this.last = pick;
    this.open.push(pick);
    return pick.node;
  }

  taken(at: number): Pick | undefined {
    return this.open.splice(at % Math.max(1, this.open.length), 1)[0];
  }
}

describe('weightedRoundRobin', () => {
  it('keeps whole weights over the cycles of each set, whatever sets came before', () => {
    const weights = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: size, maxLength: size });
    fc.assert(
      fc.property(weights, stepsOf({}), (given, steps) => {
        const world = new World(weightedRoundRobin(), given);
        for (const step of steps) {
          if (step.type === 'set') world.list(step.listed);
          else world.pick();
        }
        const cycle = world.listed.reduce((sum, { weight }) => sum + weight, 0);
        const counts = new Map<string, number>();
        for (let i = 0; i < 3 * cycle; i++) {
          const { id } = world.pick();
          counts.set(id, (counts.get(id) ?? 0) + 1);
        }
        for (const { id, weight } of world.listed) {
          // Those who were ahead or behind when the set came make up for it.
          expect(Math.abs(counts.get(id)! - 3 * weight), `${id} of weight ${weight}`).toBeLessThanOrEqual(2);
        }
      }),
    );
  });
});

describe('leastLoaded', () => {
  it('picks the least of all, and of equals the one that waited longest, while nodes come and go', () => {
    fc.assert(
      fc.property(someWeights, stepsOf({ pickExcept: 1, end: 5, cancel: 1, release: 1 }), (weights, steps) => {
        const world = new World(leastLoaded(), weights);
        /** When each node of the list was picked last, in picks. */
        let pickedAt = new Map<string, number>();
        let picks = 0;
        const expected = (excluded?: string) => {
          pickedAt = new Map(world.listed.map(({ id }) => [id, pickedAt.get(id) ?? -1]));
          const key = ({ id, stats, weight }: Node) => [(stats.inFlight + 1) / weight, pickedAt.get(id)!] as const;
          const candidates = world.listed.filter(({ id }) => id !== excluded);
          const least = candidates.reduce((a, b) => {
            const [[scoreA, waitedA], [scoreB, waitedB]] = [key(a), key(b)];
            return scoreB < scoreA || (scoreB === scoreA && waitedB < waitedA) ? b : a;
          });
          pickedAt.set(least.id, ++picks);
          return least.id;
        };
        for (const step of steps) {
          if (step.type === 'set') world.list(step.listed);
          else if (step.type === 'pick') {
            const id = expected();
            expect(world.pick().id).toBe(id);
          } else if (step.type === 'pickExcept') {
            if (world.listed.length === 1) continue;
            const { id } = world.listed[step.at % world.listed.length]!;
            const other = expected(id);
            expect(world.pick({ exclude: new Set([id]) }).id).toBe(other);
          } else if (step.type === 'release') world.taken(step.at)?.release();
          else world.taken(step.at)?.end({ status: step.type === 'end' ? 'ok' : 'cancelled', latencyMs: 1 });
        }
      }),
    );
  });
});

describe('leastRequest', () => {
  it('takes the one with fewest calls of as many different ones as it is to draw', () => {
    fc.assert(
      fc.property(
        fc.integer(),
        fc.integer({ min: 2, max: 12 }),
        stepsOf({ end: 4, release: 1 }),
        (seed, choiceCount, steps) => {
          const world = new World(leastRequest({ choiceCount, random: seededRandom(seed) }), equalWeightsOfAll);
          const chance = seededRandom(seed);
          const expected = () => {
            const left = [...world.listed];
            const draw = () => left.splice(Math.floor(chance() * left.length), 1)[0]!;
            let least = draw();
            if (least.stats.inFlight === 0) return least.id;
            for (let i = Math.min(choiceCount, 10, world.listed.length); i > 1; i--) {
              const next = draw();
              if (next.stats.inFlight < least.stats.inFlight) least = next;
            }
            return least.id;
          };
          for (const step of steps) {
            if (step.type === 'set') world.list(step.listed);
            else if (step.type === 'pick') {
              const id = expected();
              expect(world.pick().id).toBe(id);
            } else if (step.type === 'release') world.taken(step.at)?.release();
            else if (step.type === 'end') world.taken(step.at)?.end({ status: 'ok', latencyMs: 1 });
          }
        },
      ),
    );
  });

  it('takes the greatest weight / (inFlight + 1) ^ bias of those drawn, or an idle one drawn first', () => {
    const weights = fc.array(fc.double({ min: 0.01, max: 100, noNaN: true }), { minLength: size, maxLength: size });
    const bias = fc.constantFrom(0.25, 0.5, 1, 1.5, 3);
    fc.assert(
      fc.property(fc.integer(), weights, bias, stepsOf({ end: 2 }), (seed, given, activeRequestBias, steps) => {
        // Enough to draw all there are.
        const options = { choiceCount: size, activeRequestBias, random: seededRandom(seed) };
        const world = new World(leastRequest(options), given);
        const share = ({ weight, stats }: Node, more = 0) => weight / (stats.inFlight + 1 + more) ** activeRequestBias;
        for (const step of steps) {
          if (step.type === 'set') world.list(step.listed);
          else if (step.type === 'end') world.taken(step.at)?.end({ status: 'ok', latencyMs: 1 });
          else {
            const greatest = Math.max(...world.listed.map((node) => share(node)));
            const node = world.pick();
            if (node.stats.inFlight > 1) expect(share(node, -1)).toBeCloseTo(greatest, 9);
          }
        }
      }),
    );
  });
});

describe('peakEwma', () => {
  it('holds of each node what the formula says, and takes the cheaper of the two drawn', () => {
    const decayMs = 40;
    const defaultLatencyMs = 25;
    const latencies = fc.array(fc.integer({ min: 0, max: 200 }), { minLength: 20, maxLength: 20 });
    const types = { end: 5, fail: 1, cancel: 1, release: 1 };
    fc.assert(
      fc.property(fc.integer(), equalWeights, stepsOf(types), latencies, (seed, weights, steps, tookMs) => {
        let now = 1_000;
        const scheduler = { now: () => now } as SchedulerLike;
        const random = seededRandom(seed);
        const options = { decayMs, defaultLatencyMs, random, scheduler };
        const world = new World(peakEwma(options), weights);
        const chance = seededRandom(seed);
        const model = new Map<string, { latencyMs: number | undefined; at: number }>();
        let averageMs: number | undefined;
        const untold = (busy: boolean) =>
          busy ? Math.max(averageMs ?? 0, defaultLatencyMs) : (averageMs ?? defaultLatencyMs);
        const cost = ({ id, stats }: Node) => {
          const { latencyMs, at } = model.get(id)!;
          const busy = stats.inFlight > 0;
          const decayed = (latencyMs ?? untold(busy)) * (busy ? 1 : Math.exp(-(now - at) / decayMs));
          return Math.max(0.001, decayed) * (stats.inFlight + 1);
        };
        let ends = 0;
        for (const step of steps) {
          if (step.type === 'set') world.list(step.listed);
          else if (step.type === 'pick') {
            for (const { id } of world.listed) if (!model.has(id)) model.set(id, { latencyMs: undefined, at: now });
            const { length } = world.listed;
            const first = Math.floor(chance() * length);
            let second = first;
            if (length > 1) second = Math.floor(chance() * (length - 1));
            if (length > 1 && second >= first) second++;
            const [a, b] = [world.listed[first]!, world.listed[second]!];
            const calm = a.stats.failureLevel === 0 && b.stats.failureLevel === 0;
            const cheaper = cost(a) <= cost(b) * (1 + 1e-12) ? a : b;
            const sure = Math.abs(cost(a) / cost(b) - 1) > 1e-9;
            const node = world.pick();
            expect([a.id, b.id]).toContain(node.id);
            if (calm && sure) expect(node.id).toBe(cheaper.id);
            const scores = new Map(world.last!.why.candidates.map(({ node: id, score }) => [id, score!]));
            for (const each of world.listed) expect(scores.get(each.id)! / cost(each)).toBeCloseTo(1, 9);
          } else {
            const pick = world.taken(step.at);
            if (!pick) continue;
            const { id, stats } = pick.node;
            if (step.type === 'release') {
              pick.release();
              continue;
            }
            // All of it within a second, or somebody would be forced.
            now += 3;
            const latencyMs = tookMs[ends++ % tookMs.length]!;
            const known = model.get(id)!;
            if (step.type === 'end') {
              pick.end({ status: 'ok', latencyMs, at: now });
              averageMs = averageMs === undefined ? latencyMs : averageMs + (latencyMs - averageMs) / 64;
              const kept = Math.exp(-(now - known.at) / decayMs);
              const { latencyMs: before } = known;
              known.latencyMs =
                before === undefined || before < latencyMs ? latencyMs : before * kept + latencyMs * (1 - kept);
            } else {
              const failed = step.type === 'fail';
              if (failed) pick.end({ status: 'failed', code: 'UNAVAILABLE', blame: 'network', latencyMs, at: now });
              else pick.end({ status: 'cancelled', latencyMs, at: now });
              const penaltyMs = failed ? (averageMs ?? defaultLatencyMs) * 2 ** stats.failureLevel : 0;
              const slowest = Math.max(latencyMs, penaltyMs);
              if (slowest > (known.latencyMs ?? untold(!failed))) known.latencyMs = slowest;
            }
            known.at = now;
          }
        }
      }),
    );
  });
});

describe('NodeDraw', () => {
  it.each([
    ['of equal weights', [1, 1, 1, 1, 1]],
    ['of different weights', [1, 2, 3, 4, 5]],
  ])('draws the first by weight and none twice, %s', (_, weights) => {
    const seed = Math.floor(Math.random() * 2 ** 31);
    const draw = new NodeDraw(seededRandom(seed), 5);
    draw.update(fresh(weights));
    const firsts = new Map<string, number>();
    const seconds = new Map<string, number>();
    for (let i = 0; i < 20_000; i++) {
      const first = draw.first();
      expect(draw.other(first)).not.toBe(first);
      draw.several(first, 5);
      expect(draw.drawn[0]).toBe(first);
      expect([...draw.drawn].sort()).toEqual([0, 1, 2, 3, 4]);
      firsts.set(`n${first}`, (firsts.get(`n${first}`) ?? 0) + 1);
      const pair = draw.drawn.subarray(0, 2).join();
      seconds.set(pair, (seconds.get(pair) ?? 0) + 1);
    }
    assertShares(firsts, new Map(weights.map((weight, i) => [`n${i}`, weight])), `seed ${seed}`);
    if (new Set(weights).size > 1) return;
    const pairs = weights.flatMap((_one, i) =>
      weights.flatMap((_other, j) => (i === j ? [] : [[`${i},${j}`, 1] as const])),
    );
    assertShares(seconds, new Map(pairs), `the first two, seed ${seed}`);
  });

  it('draws only who is not excluded, by weight', () => {
    const seed = Math.floor(Math.random() * 2 ** 31);
    const draw = new NodeDraw(seededRandom(seed));
    draw.update(fresh([1_000, 3, 1]));
    const counts = new Map<string, number>();
    for (let i = 0; i < 20_000; i++) {
      const id = `n${draw.except(new Set(['n0']))}`;
      counts.set(id, (counts.get(id) ?? 0) + 1);
    }
    expect(counts.has('n0')).toBe(false);
    assertShares(counts, new Map([['n1', 3], ['n2', 1]]), `seed ${seed}`); // prettier-ignore
  });
});

describe('PassedOver', () => {
  it('lets a failing node take one of 2 ^ level + 1 calls that it is chosen for, where another fails less', () => {
    const nodes = fresh([1, 1]);
    const passedOver = new PassedOver();
    passedOver.update(nodes, nodes.map(({ stats }) => stats)); // prettier-ignore
    for (const level of [0, 1, 3, 6]) {
      nodes[0]!.stats.failureLevel = level;
      nodes[1]!.stats.failureLevel = 0;
      const taken = Array.from({ length: 650 }, () => passedOver.unlessFailing(0, 1)).filter((index) => index === 0);
      expect(Math.abs(taken.length - 650 / (level === 0 ? 1 : 2 ** level + 1))).toBeLessThanOrEqual(1);
      nodes[1]!.stats.failureLevel = level;
      expect(passedOver.unlessFailing(0, 1)).toBe(0);
    }
  });
});

describe('RecentTime', () => {
  it('follows the ends, and the clock at every 32nd pick, and never goes back', () => {
    let clock = 100;
    let readings = 0;
    const time = new RecentTime(() => (readings++, clock));
    clock = 200;
    time.ended(150);
    expect(time.now).toBe(150);
    time.ended(120);
    time.ended(NaN);
    expect([time.now, readings]).toEqual([150, 1]);
    for (let i = 0; i < 31; i++) time.picked();
    expect([time.now, readings]).toEqual([150, 1]);
    time.picked();
    expect([time.now, readings]).toEqual([200, 2]);
    clock = 50;
    time.ended(undefined);
    expect([time.now, readings]).toEqual([200, 3]);
  });
});

const equalWeightsOfAll = new Array<number>(size).fill(1);
