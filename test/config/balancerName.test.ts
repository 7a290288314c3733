/** Every strategy that a configuration can name. */

import { firstValueFrom, of } from 'rxjs';
import { balancerNames, balancerOfName, type BalancerName } from '../../src/config/balancerName.js';
import { createNode, NodeSet } from '../../src/index.js';

const set = NodeSet.of([createNode({ address: '127.0.0.1:1', availability: 'ready' })]);

describe('a strategy', () => {
  it.each<[BalancerName, string]>([
    ['round_robin', 'round_robin'],
    ['random', 'random'],
    ['consistent_hash', 'consistent_hash'],
    ['ring_hash', 'ring_hash_experimental'],
    ['maglev', 'maglev'],
    ['least_connections', 'least_loaded'],
    ['weighted_round_robin', 'weighted_round_robin'],
    ['weighted_random', 'weighted_random'],
    ['power_of_two', 'least_request_experimental'],
    ['peak_ewma', 'peak_ewma'],
    ['fastest_response', 'fastest_response'],
    ['pick_first', 'pick_first'],
    ['client_side_weighted_round_robin', 'client_side_weighted_round_robin'],
    ['priority_failover', 'priority_failover'],
    ['task_aware_round_robin', 'task_aware_round_robin'],
    ['task_aware_random', 'task_aware_random'],
  ])('%s picks as the policy %s', async (name, policy) => {
    const picker = await firstValueFrom(of(set).pipe(balancerOfName(name)));
    const pick = picker.pick({});
    expect(pick).toMatchObject({ node: set.nodes[0] });
    expect(JSON.stringify(pick.why)).toContain(policy);
  });

  it('is there for each name', () => {
    expect(Object.keys(balancerNames)).toHaveLength(16);
  });
});
