/** What every balancer must keep to, as a suite that runs on ours and on yours. */

import { deepStrictEqual, equal, notEqual, ok } from 'node:assert/strict';
import { Observable, VirtualTimeScheduler, type SchedulerLike } from 'rxjs';
import type { Balancer, NoPick, Pick } from '../balancer/picker.js';
import { updateNode } from '../core/node.js';
import { NodeSet } from '../core/nodeSet.js';
import { runnerOf, type Runner } from './runner.js';
import { seededRandom } from './seededRandom.js';
import { bedOf, done, failed } from './testBalancer/bed.js';
import type { BalancerClaims } from './testBalancer/balancerClaims.js';
import { byKey } from './testBalancer/byKey.js';
import { inShares } from './testBalancer/inShares.js';
import { barred, keyed, node, nodes, reader, task } from './testBalancer/nodes.js';
import { underLoad } from './testBalancer/underLoad.js';

export interface TestBalancerOptions extends BalancerClaims {
  /** Default: the global `describe` and `it`. */
  readonly runner?: Runner;
  /** What the cases are called by. Default `balancer`. */
  readonly name?: string;
  /** Seed of the chance that `make` is given; printed where a case fails by it. Default: another in each run. */
  readonly seed?: number;
}

/**
 * The contract of a balancer, in cases.
 *
 *     testBalancer(() => nearest('eu-1'));
 *     testBalancer((random) => weightedRandom({ random }), { spread: true, weighted: true });
 *     testBalancer((random, scheduler) => peakEwma({ random, scheduler }), { spread: true, weighted: true, loadAware: true });
 *
 * How fast it picks is not tested.
 *
 * @param make a new balancer; `random` may be passed on to it, so that a failure can be repeated, and `scheduler` must be to one
 *   that looks at the time, which is virtual here.
 */
export function testBalancer(
  make: (random: () => number, scheduler: SchedulerLike) => Balancer,
  options: TestBalancerOptions = {},
): void {
  const { describe, it } = runnerOf(options.runner);
  const seed = options.seed ?? Math.floor(Math.random() * 2 ** 31);
  const create = () => make(seededRandom(seed), new VirtualTimeScheduler());

  describe(options.name ?? 'balancer', () => {
    it('only nodes that may take calls are picked', () => {
      const open = [node('a'), node('h', { availability: 'ready', health: 'serving' })];
      const bed = bedOf(create(), [...barred(), ...open, ...barred('z')]);
      const allowed = new Set(open.map(({ id }) => id));
      for (let i = 0; i < 200; i++) ok(allowed.has(bed.take(keyed(i)).id));
    });

    it('nobody there is said so, and whether to wait', () => {
      expectNobody(bedOf(create(), []).ask(), 'NO_NODES', false);
      expectNobody(bedOf(create(), barred()).ask(), 'NO_NODES', true);
      const hopeless = barred().filter(({ availability, compatibility }) => {
        return availability !== 'connecting' && compatibility !== 'pending';
      });
      expectNobody(bedOf(create(), hopeless).ask(), 'NO_NODES', false);
    });

    it('a call goes only to a node that offers what it requires', () => {
      const bed = bedOf(create(), [node('a'), reader('b'), node('c'), reader('d')]);
      for (let i = 0; i < 100; i++) {
        ok('bd'.includes(bed.take({ ...keyed(i), requires: task }).id));
        bed.take(keyed(i));
      }
    });

    it('a call that nobody can take fails at once, unless a node that comes may take it', () => {
      expectNobody(bedOf(create(), [node('a')]).ask({ requires: task }), 'NO_NODE_FOR_TASK', false);
      const asked = node('b', { compatibility: 'pending' });
      expectNobody(bedOf(create(), [node('a'), asked]).ask({ requires: task }), 'NO_NODE_FOR_TASK', true);
      expectNobody(bedOf(create(), [asked]).ask({ requires: task }), 'NO_NODES', true);
    });

    it('a node that was tried is taken again only when nobody else is left', () => {
      const bed = bedOf(create(), nodes(4));
      for (let i = 0; i < 100; i++) {
        const tried = new Set<string>();
        for (let attempt = 0; attempt < 4; attempt++) {
          const { id } = bed.take({ ...keyed(i), exclude: tried });
          ok(!tried.has(id), `${id} was tried already, ${4 - tried.size} were not`);
          tried.add(id);
        }
        ok(tried.has(bed.take({ ...keyed(i), exclude: tried }).id));
      }
      const others = new Set(['n1', 'n2', 'n3', 'unknown', 'gone']);
      for (let i = 0; i < 20; i++) equal(bed.take({ ...keyed(i), exclude: others }).id, 'n0');
    });

    it('where it must not be, a node that was tried is not taken again even when nobody else is left', () => {
      const bed = bedOf(create(), nodes(2));
      equal(bed.take({ ...keyed(1), exclude: new Set(['n1']), strict: true }).id, 'n0');
      const all = new Map([
        ['n0', { obstacle: 'circuitOpen', reason: 'the circuit is open' } as const],
        ['n1', { obstacle: 'tried', reason: 'tried already' } as const],
      ]);
      const nobody = bed.ask({ ...keyed(1), exclude: all, strict: true });
      equal(nobody.node, undefined);
      deepStrictEqual(
        nobody.why.leftOut.map(({ obstacle }) => obstacle),
        ['circuitOpen', 'tried'],
      );
      ok(bed.take({ ...keyed(1), exclude: all }).id);
      equal(bed.inFlight(), 0);
    });

    it('a pick that is given back was never made', () => {
      const bed = bedOf(create(), nodes(3));
      const picks = Array.from({ length: 12 }, (_, i) => bed.pick(keyed(i)));
      for (const pick of picks) {
        pick.release();
        pick.release();
        pick.end(done);
      }
      equal(bed.inFlight(), 0);
      equal(
        bed.total(({ requests }) => requests),
        0,
      );
    });

    it('a pick is in flight until its end, and ends once', () => {
      const bed = bedOf(create(), nodes(3));
      const picks = Array.from({ length: 30 }, (_, i) => bed.pick(keyed(i)));
      equal(bed.inFlight(), 30);
      for (const pick of picks) {
        const before = pick.node.stats.inFlight;
        pick.end(done);
        pick.end({ status: 'failed', latencyMs: 1, code: 'UNAVAILABLE', blame: 'network' });
        equal(pick.node.stats.inFlight, before - 1);
        equal(pick.node.stats.failures, 0);
      }
      equal(bed.inFlight(), 0);
      equal(
        bed.total(({ requests }) => requests),
        30,
      );
    });

    it('nothing is lost from the counts while nodes come, go and fail', () => {
      const random = seededRandom(seed + 1);
      const all = nodes(12);
      const bed = bedOf(create(), all);
      const open: Pick[] = [];
      let picked = 0;
      for (let step = 0; step < 2_000; step++) {
        const chance = random();
        if (chance < 0.05) {
          const some = all.filter(() => random() < 0.7);
          bed.next(some.map((n) => updateNode(n, { health: random() < 0.8 ? 'serving' : 'ejected' })));
        } else if (chance < 0.55) {
          const exclude = new Set(random() < 0.2 ? ['n3', 'n5'] : []);
          const pick = bed.ask({ ...keyed(step), exclude });
          if (pick.node && open.push(pick)) picked++;
        } else {
          open.splice(Math.floor(random() * open.length), 1)[0]?.end(random() < 0.8 ? done : failed);
        }
        equal(bed.inFlight(all), open.length, `after step ${step}, seed ${seed}`);
      }
      for (const pick of open) pick.end(done);
      equal(bed.inFlight(all), 0);
      equal(
        all.reduce((sum, { stats }) => sum + stats.requests, 0),
        picked,
      );
    });

    it('each set gives a picker of that set, which stays with it', () => {
      const bed = bedOf(create(), [node('a')]);
      const old = bed.picker();
      bed.next([node('b')]);
      notEqual(bed.picker(), old);
      equal(bed.picker().set.nodes[0]!.id, 'b');
      equal(bed.take().id, 'b');
      equal(old.pick({}).node?.id, 'a');
      equal(bed.take().id, 'b');
      bed.next([]);
      expectNobody(bed.ask(), 'NO_NODES', false);
      bed.next([node('c')]);
      equal(bed.take().id, 'c');
    });

    it('two subscribers never share', () => {
      // Chance that never changes, so that neither takes it away from the other.
      const alone = (): string[] => {
        const bed = bedOf(
          make(() => 0.5, new VirtualTimeScheduler()),
          nodes(5),
        );
        return Array.from({ length: 20 }, (_, i) => bed.take(keyed(i), false).id);
      };
      const expected = alone();
      if (expected.join() !== alone().join()) return; // by chance of its own
      const shared = make(() => 0.5, new VirtualTimeScheduler());
      const first = bedOf(shared, nodes(5));
      const second = bedOf(shared, nodes(5));
      for (let i = 0; i < 20; i++) {
        equal(first.take(keyed(i), false).id, expected[i]);
        equal(second.take(keyed(i), false).id, expected[i]);
      }
    });

    it('the source is left alone before a subscription and after its end', () => {
      let subscribed = 0;
      let left = 0;
      const set$ = new Observable<NodeSet>((subscriber) => {
        subscribed++;
        subscriber.next(NodeSet.of(nodes(2)));
        return () => left++;
      });
      const picker$ = set$.pipe(create());
      equal(subscribed, 0);
      const subscription = picker$.subscribe();
      deepStrictEqual([subscribed, left], [1, 0]);
      subscription.unsubscribe();
      deepStrictEqual([subscribed, left], [1, 1]);
    });

    it('an error and a completion of the source come through', () => {
      const bed = bedOf(create(), nodes(1));
      const error = new Error('discovery gave up');
      bed.source.error(error);
      equal(bed.error(), error);
      const other = bedOf(create(), nodes(1));
      other.source.complete();
      equal(other.completed(), true);
    });

    it('why tells of each node that could not take the call', () => {
      const bed = bedOf(create(), [node('a'), reader('b'), reader('c'), reader('d', { health: 'ejected' })]);
      const exclude = new Set(['b']);
      const pick = bed.pick({ requires: task, exclude });
      exclude.add('c');
      const { candidates, leftOut, strategy } = pick.why;
      ok(strategy.length > 0);
      deepStrictEqual(
        candidates.map((n) => n.node),
        ['c'],
      );
      deepStrictEqual(
        leftOut.map((n) => n.node),
        ['a', 'b', 'd'],
      );
      ok(leftOut.every(({ obstacle, reason }) => obstacle.length > 0 && reason.length > 0));
      equal(bedOf(create(), barred()).ask().why.leftOut.length, barred().length);
    });

    inShares(create, options, it, seed);
    underLoad((scheduler) => make(seededRandom(seed), scheduler), options, it, seed);
    if (options.keyed) byKey(create, options, it);
  });
}

function expectNobody(pick: Pick | NoPick, code: NoPick['code'], pending: boolean): void {
  deepStrictEqual(
    { node: pick.node, ...('code' in pick && { code: pick.code, pending: pick.pending }) },
    {
      node: undefined,
      code,
      pending,
    },
  );
}
