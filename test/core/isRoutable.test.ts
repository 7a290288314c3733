import { isPending, isRoutable, whyNotRoutable } from '../../src/core/isRoutable.js';
import { createNode, type Availability, type Compatibility, type Health, type NodeInit } from '../../src/core/node.js';

const node = (init: NodeInit = {}) => createNode({ address: 'a:1', ...init });

const availabilities: Availability[] = ['discovered', 'connecting', 'ready', 'unavailable', 'draining'];
const healths: Health[] = ['unknown', 'serving', 'notServing', 'ejected'];
const compatibilities: Compatibility[] = ['pending', 'compatible', 'incompatible'];

const all = availabilities.flatMap((availability) =>
  healths.flatMap((health) =>
    compatibilities.flatMap((compatibility) =>
      [0, 1].map((weight) => node({ availability, health, compatibility, weight })),
    ),
  ),
);
const short = (nodes: readonly (typeof all)[number][]) =>
  nodes.map(
    ({ availability, health, compatibility, weight }) => `${availability} ${health} ${compatibility} ${weight}`,
  );

describe('isRoutable', () => {
  it('lets exactly these states take calls', () => {
    expect(short(all.filter(isRoutable))).toEqual([
      'discovered unknown compatible 1',
      'discovered serving compatible 1',
      'ready unknown compatible 1',
      'ready serving compatible 1',
    ]);
  });

  it('never calls a node pending that takes calls, nor one that nothing is being done about', () => {
    for (const each of all) {
      if (isPending(each)) expect(isRoutable(each), short([each])[0]).toBe(false);
      if (['unavailable', 'draining'].includes(each.availability)) expect(isPending(each)).toBe(false);
      if (each.compatibility === 'incompatible' || each.health === 'ejected') expect(isPending(each)).toBe(false);
    }
    expect(isPending(node({ availability: 'connecting' }))).toBe(true);
    expect(isPending(node({ compatibility: 'pending' }))).toBe(true);
  });

  it('gives a reason exactly for those that take none', () => {
    for (const each of all) expect(whyNotRoutable(each) === undefined, short([each])[0]).toBe(isRoutable(each));
  });

  it.each<[NodeInit, string]>([
    [{ availability: 'unavailable', availabilityReason: 'connection refused' }, 'unavailable: connection refused'],
    [{ availability: 'draining' }, 'draining'],
    [{ compatibility: 'pending' }, 'compatibility pending'],
    [{ compatibility: 'incompatible', compatibilityReason: 'protocol 2' }, 'compatibility incompatible: protocol 2'],
    [{ health: 'notServing', healthReason: 'it says so' }, 'not serving: it says so'],
    [{ health: 'ejected' }, 'ejected'],
    [{ weight: 0 }, 'weight 0'],
  ])('says of %j why', (init, reason) => {
    expect(whyNotRoutable(node(init))).toBe(reason);
  });
});
