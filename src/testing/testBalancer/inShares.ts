/** The cases of shares: who gets how many of many calls, each of which ends at once. */

import { equal } from 'node:assert/strict';
import type { Balancer } from '../../balancer/picker.js';
import { updateNode } from '../../core/node.js';
import { assertAbout, assertShares } from '../assertShares.js';
import type { Runner } from '../runner.js';
import type { BalancerClaims } from './balancerClaims.js';
import { bedOf } from './bed.js';
import { node, nodes } from './nodes.js';

export function inShares(
  create: () => Balancer,
  { spread, weighted, keyed }: BalancerClaims,
  it: Runner['it'],
  seed: number,
): void {
  if (spread) {
    it('the nodes have equal shares, and none starves', () => {
      const bed = bedOf(create(), nodes(10));
      expectShares(bed.count(20_000), even(10), keyed, `seed ${seed}`);
    });

    it('the shares stay equal when each call finds a new set', () => {
      const bed = bedOf(create(), nodes(10));
      const counts = bed.count(20_000, () => bed.next(bed.nodes().map((n) => updateNode(n, {}))));
      expectShares(counts, even(10), keyed, `seed ${seed}`);
    });

    it('nodes that restart one after the other leave nobody favoured among the rest', () => {
      const all = nodes(5);
      const bed = bedOf(create(), all);
      let step = 0;
      const counts = bed.count(20_000, () => {
        const down = Math.floor(step++ / 3) % 5;
        if (step % 3 === 1) bed.next(all.filter((_, i) => i !== down));
      });
      assertAbout(counts, even(5), keyed ? [0.4, 1.9] : [0.8, 1.25], `seed ${seed}`);
    });
  }

  if (weighted) {
    it('each node has the share of its weight, and weight 0 has none', () => {
      const weights = [1, 2, 3, 4, 0, 0.5, 10];
      const bed = bedOf(
        create(),
        weights.map((weight, i) => node(`n${i}`, { weight })),
      );
      const shares = new Map(weights.flatMap((weight, i) => (weight ? [[`n${i}`, weight] as const] : [])));
      const counts = bed.count(20_000);
      equal(counts.get('n4'), undefined);
      expectShares(counts, shares, keyed, `seed ${seed}`);
    });

    it('the shares stay those of the weights when each call finds a new set, and new weights count at once for new keys', () => {
      const weights = [1, 2, 4];
      const bed = bedOf(
        create(),
        weights.map((weight, i) => node(`n${i}`, { weight })),
      );
      const shares = new Map(weights.map((weight, i) => [`n${i}`, weight]));
      const renew = () => bed.next(bed.nodes().map((n) => updateNode(n, {})));
      expectShares(bed.count(10_000, renew), shares, keyed, `seed ${seed}`);
      bed.next(bed.nodes().map((n, i) => updateNode(n, { weight: weights[2 - i]! })));
      const turned = new Map(weights.map((weight, i) => [`n${2 - i}`, weight]));
      expectShares(bed.count(10_000, undefined, 10_000), turned, keyed, `seed ${seed}, weights turned round`);
    });
  }
}

function even(count: number): Map<string, number> {
  return new Map(Array.from({ length: count }, (_, i) => [`n${i}`, 1]));
}

function expectShares(
  counts: ReadonlyMap<string, number>,
  shares: ReadonlyMap<string, number>,
  byKey: boolean | undefined,
  what: string,
): void {
  // Places on a ring are drawn once, by the ids, so its shares are off by more than the chance of single picks.
  if (byKey) assertAbout(counts, shares, [0.5, 1.7], what);
  else assertShares(counts, shares, what);
}
