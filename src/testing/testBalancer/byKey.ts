/** The cases of keys: equal ones go to one node, and few move when nodes come, go or gain weight. */

import { deepStrictEqual, ok } from 'node:assert/strict';
import type { Balancer } from '../../balancer/picker.js';
import { updateNode } from '../../core/node.js';
import type { Runner } from '../runner.js';
import type { BalancerClaims } from './balancerClaims.js';
import { bedOf, type Bed } from './bed.js';
import { keyed, nodes } from './nodes.js';

export function byKey(create: () => Balancer, { weighted, disruption = 0 }: BalancerClaims, it: Runner['it']): void {
  const homes = (bed: Bed) => Array.from({ length: 2_000 }, (_, i) => bed.take(keyed(i)).id);
  const expectFew = (moved: readonly unknown[]) => {
    const few = 2_000 * disruption;
    ok(moved.length <= few, `${moved.length} of 2,000 keys moved that had no need to, more than ${few}`);
  };

  it('equal keys go to one node, whatever else is called in between', () => {
    const bed = bedOf(create(), nodes(8));
    const before = homes(bed);
    bed.count(1_000);
    bed.next(bed.nodes().map((n) => updateNode(n, { load: { cpu: 1 } })));
    deepStrictEqual(homes(bed), before);
    deepStrictEqual(homes(bedOf(create(), nodes(8).reverse())), before, 'must not depend on the order of the nodes');
  });

  it('only the keys of a node that goes move, and they come back with it', () => {
    const all = nodes(8);
    const bed = bedOf(create(), all);
    const before = homes(bed);
    bed.next(all.filter(({ id }) => id !== 'n3'));
    expectFew(homes(bed).filter((home, i) => home !== before[i] && before[i] !== 'n3'));
    bed.next(all.map((n) => (n.id === 'n3' ? updateNode(n, { availability: 'unavailable' }) : n)));
    expectFew(homes(bed).filter((home, i) => home !== before[i] && before[i] !== 'n3'));
    bed.next(all);
    deepStrictEqual(homes(bed), before);
  });

  it('a node that comes takes keys from all and moves no others', () => {
    const bed = bedOf(create(), nodes(8));
    const before = homes(bed);
    bed.next(nodes(9));
    const moved = homes(bed).filter((home, i) => home !== before[i]);
    const there = moved.filter((home) => home === 'n8').length;
    expectFew(moved.filter((home) => home !== 'n8'));
    ok(there > 0 && there < 2_000 / 4, `${there} of 2,000 keys moved to one of nine nodes`);
  });

  if (weighted) {
    it('when a node gains weight, keys move to it and few others move', () => {
      const bed = bedOf(create(), nodes(8));
      const before = homes(bed);
      bed.next(bed.nodes().map((n) => (n.id === 'n3' ? updateNode(n, { weight: 2 }) : n)));
      const moved = homes(bed).filter((home, i) => home !== before[i]);
      ok(moved.includes('n3'), 'no key moved to it');
      expectFew(moved.filter((home) => home !== 'n3'));
    });
  }

  it('a call without a key finds a node too', () => {
    const bed = bedOf(create(), nodes(3));
    for (let i = 0; i < 20; i++) ok(bed.take({}).id);
  });
}
