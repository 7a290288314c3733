/** The cases of calls that take time: who carries how much, and who must not be a black hole. */

import { ok } from 'node:assert/strict';
import type { SchedulerLike } from 'rxjs';
import type { Balancer } from '../../balancer/picker.js';
import type { Node } from '../../core/node.js';
import { assertAbout } from '../assertShares.js';
import type { Runner } from '../runner.js';
import { seededRandom } from '../seededRandom.js';
import type { BalancerClaims } from './balancerClaims.js';
import { node, nodes } from './nodes.js';
import { countsOf, traffic, type Answer, type Made } from './traffic.js';

/** Milliseconds of an answer that it takes to fail at once. */
const atOnce = 0.001;

/** @param make a new balancer that lives in the time of this scheduler. */
export function underLoad(
  make: (scheduler: SchedulerLike) => Balancer,
  { spread, weighted, keyed, loadAware }: BalancerClaims,
  it: Runner['it'],
  seed: number,
): void {
  /** Calls of about this length, half to one and a half of it. */
  const about = (latencyMs: number, chance: () => number) => ({ latencyMs: latencyMs * (0.5 + chance()) });

  /** Five nodes, of which the first fails this part of its calls at once; what each gets. */
  const besideOneThatFails = (part: number, latencyMs: number, callers: number) => {
    const chance = seededRandom(seed + 2);
    const all = nodes(5);
    const answer = ({ id }: Node): Answer =>
      id === 'n0' && chance() < part ? { latencyMs: atOnce, fails: true } : about(latencyMs, chance);
    const made = traffic(make, { nodes: all, answer, callers, most: 5_000 });
    const [failing, ...good] = countsOf(made, all).values();
    const said = `${callers} callers, answers of ${latencyMs} ms, seed ${seed}: ${failing} calls went to the node that fails`;
    return { failing: failing!, fewest: Math.min(...good), said: `${said}, ${good.join(', ')} to the others` };
  };
  /** Milliseconds of an answer, and callers: fast and busy, idle, slow and busy. */
  const loads = [
    [5, 100],
    [200, 4],
    [20_000, 100],
  ] as const;

  if (spread) {
    it('a node that fails at once gets no more than its share, though it is always idle', () => {
      for (const [latencyMs, callers] of loads) {
        const { failing, fewest, said } = besideOneThatFails(1, latencyMs, callers);
        ok(failing <= fewest * (keyed ? 3 : 1.5), said);
      }
    });

    it('no node starves while others are faster, and one that has recovered gets calls again', () => {
      const chance = seededRandom(seed + 3);
      const all = nodes(5);
      const recoversAt = 60_000;
      const answer = ({ id }: Node, at: number): Answer => {
        if (id === 'n0' && at < recoversAt) return { latencyMs: atOnce, fails: true };
        return about(id === 'n1' ? 2_000 : 200, chance);
      };
      const made = traffic(make, { nodes: all, answer, callers: 10, most: 20_000, untilMs: 240_000 });
      const last = made.at(-1)!.at;
      ok(last > 200_000, `${made.length} calls in ${last} ms, nearly all to the node that fails, seed ${seed}`);
      for (let from = 0; from + 30_000 <= last; from += 30_000) {
        for (const [id, count] of countsOf(within(made, from, from + 30_000), all)) {
          // One that fails may be left alone for longer.
          ok(count > 0 || id === 'n0', `${id} got no call from ${from} ms on for half a minute, seed ${seed}`);
        }
      }
      const [recovered, , ...good] = countsOf(within(made, last - 60_000, last), all).values();
      ok(recovered! > Math.min(...good) / 2, `it got ${recovered}, the others ${good.join(', ')}, seed ${seed}`);
    });
  }

  if (loadAware) {
    it('a node that fails at once gets fewer calls than each good one, at any latency and load', () => {
      for (const [latencyMs, callers] of loads) {
        const { failing, fewest, said } = besideOneThatFails(1, latencyMs, callers);
        ok(failing < fewest / 2, said);
      }
    });

    it('a node that fails every second call at once draws no calls to it', () => {
      for (const [latencyMs, callers] of loads) {
        const { failing, fewest, said } = besideOneThatFails(0.5, latencyMs, callers);
        ok(failing <= fewest * 1.25, said);
      }
    });

    it('a slow node gets fewer calls than each fast one', () => {
      const chance = seededRandom(seed + 4);
      const all = nodes(5);
      const answer = ({ id }: Node) => about(id === 'n0' ? 500 : 50, chance);
      const made = traffic(make, { nodes: all, answer, callers: 20, most: 5_000 });
      const [slow, ...fast] = countsOf(made, all).values();
      ok(slow! < Math.min(...fast), `${slow} went to the slow node, ${fast.join(', ')} to the others, seed ${seed}`);
    });
  }

  if (weighted) {
    it('each node carries the share of its weight while calls take time', () => {
      const chance = seededRandom(seed + 5);
      const all = [1, 1, 2, 4].map((weight, i) => node(`n${i}`, { weight }));
      const shares = new Map(all.map(({ id, weight }) => [id, weight]));
      for (const callers of [16, 64]) {
        const made = traffic(make, { nodes: all, answer: () => about(50, chance), callers, most: 5_000 });
        assertAbout(countsOf(made, all), shares, [0.6, 1.7], `${callers} callers, seed ${seed}`);
      }
    });
  }
}

function within(made: readonly Made[], from: number, until: number): readonly Made[] {
  return made.filter(({ at }) => at >= from && at < until);
}
