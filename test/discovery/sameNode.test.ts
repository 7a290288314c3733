import { createNode, type NodeInit } from '../../src/core/node.js';
import { sameNode } from '../../src/discovery/sameNode.js';

const base: NodeInit = {
  id: 'x',
  addresses: ['a:1', 'b:2'],
  version: '1',
  tags: { gpu: '', zone: 'a' },
  metadata: { k: 'v' },
  load: { cpu: 0.5 },
  models: ['m'],
  sources: ['static'],
};

describe('sameNode', () => {
  it('holds for what says the same, whenever it was seen and however it was written', () => {
    const tags = { zone: 'a', gpu: '' };
    expect(sameNode(createNode(base), createNode({ ...base, tags, firstSeen: 5, lastSeen: 9 }))).toBe(true);
  });

  it.each<NodeInit>([
    { id: 'y' },
    { addresses: ['b:2', 'a:1'] },
    { addresses: ['a:1'] },
    { version: undefined },
    { tags: { gpu: '' } },
    { tags: { gpu: '', zone: 'b' } },
    { tags: { gpu: '', other: 'a' } },
    { metadata: {} },
    { weight: 2 },
    { load: { cpu: 0.6 } },
    { models: ['m', 'n'] },
    { sources: ['mdns'] },
    { health: 'notServing' },
    { availability: 'draining' },
  ])('sees the difference of %j', (change) => {
    expect(sameNode(createNode(base), createNode({ ...base, ...change }))).toBe(false);
  });
});
