import { healthIn } from '../../src/core/healthIn.js';
import { createNode, type NodeInit } from '../../src/core/node.js';

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
