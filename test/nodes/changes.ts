/** Changes of node sets by chance: what a directory does to a set, step by step. */

import fc from 'fast-check';
import { createNode, updateNode, type Availability, type Compatibility, type Health } from '../../src/core/node.js';
import { NodeSet } from '../../src/core/nodeSet.js';

export type Change = (set: NodeSet) => NodeSet;

const ids = fc.constantFrom<string>('a', 'b', 'c', 'd', 'e', 'f');
const state = fc.record(
  {
    weight: fc.constantFrom(0, 1, 1.5, 3),
    health: fc.constantFrom<Health>('unknown', 'serving', 'notServing', 'ejected'),
    availability: fc.constantFrom<Availability>('discovered', 'connecting', 'ready', 'unavailable', 'draining'),
    compatibility: fc.constantFrom<Compatibility>('pending', 'compatible', 'compatible', 'incompatible'),
  },
  { requiredKeys: [] },
);

/** A node comes or changes, several go, all is made anew, or the source is cut off. */
export const changes: fc.Arbitrary<Change> = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(ids, state).map(([id, change]): Change => put(id, change)) },
  {
    weight: 1,
    arbitrary: fc.array(ids, { maxLength: 3 }).map(
      (gone): Change =>
        (set) =>
          set.without(...gone),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.array(ids).map((kept): Change => {
      return (set) =>
        NodeSet.of(
          set.nodes.filter(({ id }) => kept.includes(id)),
          set.stale,
        );
    }),
  },
  {
    weight: 1,
    arbitrary: fc.boolean().map(
      (cut): Change =>
        (set) =>
          set.withStale(cut ? stale : undefined),
    ),
  },
);

const stale = { since: 0, reason: 'cut off' };

function put(id: string, change: Parameters<typeof updateNode>[1]): Change {
  return (set) => set.with(updateNode(set.get(id) ?? createNode({ id, address: '10.0.0.1:1' }), change));
}
