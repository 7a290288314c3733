/** What a service config says of load balancing: the first policy of its list that is known here. */

import { pickFirst } from '../../balancer/pickFirst.js';
import type { Balancer } from '../../balancer/picker.js';
import { roundRobin } from '../../balancer/roundRobin.js';
import type { FleetOptions } from '../../client/fleet.js';
import { FleetError } from '../../core/fleetError.js';
import { isRecord } from '../../discovery/readNode.js';
import { JsonFields } from './jsonFields.js';

/** What a policy comes to: how nodes are picked, and who is taken out. */
export type LoadBalancing = Pick<FleetOptions, 'balancer' | 'eject' | 'ejectionBudget'>;

/** The policy of a `loadBalancingConfig` at `path`. */
export function loadBalancingOf(list: readonly unknown[], path: string): LoadBalancing {
  const names: string[] = [];
  for (const [i, entry] of list.entries()) {
    if (!isRecord(entry) || Object.keys(entry).length !== 1) {
      const shown = JSON.stringify(entry);
      throw new FleetError(
        'INVALID_OPTION',
        `${path}[${i}] must be an object with the name of one policy, not ${shown}`,
      );
    }
    const [[name, config]] = Object.entries(entry) as [[string, unknown]];
    const policy = policies[name];
    if (policy) return policy(config ?? {}, `${path}[${i}].${name}`);
    names.push(name);
  }
  const known = Object.keys(policies).join(', ');
  throw new FleetError(
    'INVALID_OPTION',
    `${path} names no policy that is known here: ${names.join(', ')}; known are ${known}`,
  );
}

/** gRPC's policies by their names. */
const policies: Readonly<Record<string, (config: unknown, path: string) => LoadBalancing>> = {
  pick_first: (config, path) => {
    const shuffle = new JsonFields(config, path, ['shuffleAddressList']).flag('shuffleAddressList');
    return balanced(pickFirst({ shuffle: shuffle ?? false }));
  },
  round_robin: (config, path) => {
    new JsonFields(config, path, []);
    return balanced(roundRobin({ random: Math.random }));
  },
};

function balanced(balancer: Balancer): LoadBalancing {
  return { balancer };
}
