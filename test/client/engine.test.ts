/** A client that cannot be made leaves nothing behind: whoever made it has no handle to close. */

import { NEVER, Observable } from 'rxjs';
import { createNode, createPool, NodeSet, weightedRoundRobin, type Policy, type PoolOptions } from '../../src/index.js';

/** What of a pool is at work. */
function atWork() {
  const at = { discoveries: 0, resources: 0, policies: 0 };
  const counting: Policy = {
    name: 'counting',
    start: () => {
      at.policies++;
      return { close: () => void at.policies-- };
    },
  };
  const options: PoolOptions<number> = {
    discovery: () =>
      new Observable((subscriber) => {
        at.discoveries++;
        subscriber.next(NodeSet.of([createNode({ address: '10.0.0.1:1' })]));
        return () => at.discoveries--;
      }),
    open: () => ++at.resources,
    close: () => void at.resources--,
    use: [counting],
  };
  return { at, options, counting };
}

const broken: Policy = {
  name: 'broken',
  start() {
    throw new Error('no idea');
  },
};

describe('a client that is refused as it is made', () => {
  it.each<[string, Partial<PoolOptions<number>>, RegExp]>([
    ['a panic', { panic: { threshold: 2 } }, /panic.threshold/],
    ['a slow start', { slowStart: { windowMs: -1 }, balancer: weightedRoundRobin() }, /windowMs/],
    ['an ejection budget', { ejectionBudget: { maxEjectionPercent: 200 } }, /maxEjectionPercent/],
    ['a balancer that yields nothing', { balancer: () => NEVER }, /balancer must yield/],
  ])('by %s has its discovery, its policies and its connections ended', (_, refused, message) => {
    const { at, options } = atWork();
    expect(() => createPool({ ...options, ...refused })).toThrow(message);
    expect(at).toEqual({ discoveries: 0, resources: 0, policies: 0 });
  });

  it('by a policy that throws as it starts has those before it ended', () => {
    const { at, options, counting } = atWork();
    expect(() => createPool({ ...options, use: [counting, broken] })).toThrow('no idea');
    expect(at).toEqual({ discoveries: 0, resources: 0, policies: 0 });
  });
});

it('a client that is made and closed has ended the same', async () => {
  const { at, options } = atWork();
  const pool = createPool(options);
  expect(at).toEqual({ discoveries: 1, resources: 1, policies: 1 });
  await pool.close();
  expect(at).toEqual({ discoveries: 0, resources: 0, policies: 0 });
});
