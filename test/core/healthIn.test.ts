import { healthIn, withoutHealth } from '../../src/core/healthIn.js';
import { isRoutable } from '../../src/core/isRoutable.js';
import { createNode, type NodeInit } from '../../src/core/node.js';
import { NodeSet } from '../../src/core/nodeSet.js';

const node = (id: string, init: NodeInit = {}) => createNode({ ...init, id, address: `${id}.example:1` });
const healthy = [node('a'), node('b', { availability: 'ready', health: 'serving' })];
const sick = [
  node('c', { health: 'notServing', healthReason: 'it says so' }),
  node('d', { health: 'ejected' }),
  node('e', { availability: 'unavailable' }),
];
const uncounted = [
  node('f', { availability: 'draining' }),
  node('g', { availability: 'connecting' }),
  node('h', { compatibility: 'pending' }),
  node('i', { compatibility: 'incompatible' }),
  node('j', { weight: 0 }),
];

describe('healthIn', () => {
  it('counts nodes that are being dialled, asked or drained on neither side, so that a start is no panic', () => {
    expect(healthIn([...healthy, ...sick, ...uncounted])).toEqual({ healthy: 2, total: 5 });
    expect(healthIn(uncounted)).toEqual({ healthy: 0, total: 0 });
    expect(healthIn([])).toEqual({ healthy: 0, total: 0 });
  });
});

describe('withoutHealth', () => {
  it('lets those in that are out for their health, and nobody else', () => {
    const stale = { since: 1, reason: 'cut off' };
    const shown = withoutHealth(NodeSet.of([...healthy, ...sick, ...uncounted], stale), '2 of 5 nodes are healthy');
    expect(shown.nodes.filter(isRoutable).map(({ id }) => id)).toEqual(['a', 'b', 'c', 'd']);
    expect(shown.stale).toBe(stale);
    expect(shown.get('c')!.healthReason).toBe('panic, 2 of 5 nodes are healthy: it says so');
    expect(shown.get('c')!.stats).toBe(sick[0]!.stats);
  });
});
