import { isRoutable } from '../../src/core/isRoutable.js';
import { createNode, type NodeInit } from '../../src/core/node.js';
import { standingOf, withoutHealth } from '../../src/core/standing.js';

const node = (init: NodeInit = {}) => createNode({ ...init, address: 'a.example:1' });

describe('standingOf', () => {
  it.each([
    ['healthy', { availability: 'ready', health: 'serving' }],
    ['healthy', { availability: 'discovered', health: 'unknown' }],
    ['sidelined', { availability: 'ready', health: 'notServing' }],
    ['sidelined', { health: 'ejected' }],
    ['away', { availability: 'unavailable' }],
    ['away', { availability: 'unavailable', health: 'ejected' }],
    ['aside', { availability: 'draining' }],
    ['aside', { availability: 'connecting' }],
    ['aside', { compatibility: 'pending' }],
    ['aside', { compatibility: 'incompatible', health: 'notServing' }],
    ['aside', { weight: 0 }],
  ] as const)('a node is %s that is %j', (standing, init) => {
    expect(standingOf(node(init))).toBe(standing);
  });
});

describe('withoutHealth', () => {
  it('lets a node in that was out for its health, and says what was ignored', () => {
    const sick = node({ availability: 'ready', health: 'notServing', healthReason: 'it says so' });
    const shown = withoutHealth(sick, 'ignored in panic');
    expect(isRoutable(shown)).toBe(true);
    expect(shown.healthReason).toBe('ignored in panic: it says so');
    expect(shown.stats).toBe(sick.stats);
    expect(withoutHealth(node({ health: 'ejected' }), 'ignored').healthReason).toBe('ignored: ejected');
  });
});
