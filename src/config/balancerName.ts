/** The strategies by the names that configurations give them: flare's, fyer's, gRPC's and ours. */

import { consistentHash } from '../balancer/consistentHash.js';
import { leastLoaded } from '../balancer/leastLoaded.js';
import { maglev } from '../balancer/maglev.js';
import type { Balancer } from '../balancer/picker.js';
import { powerOfTwo } from '../balancer/powerOfTwo.js';
import { random } from '../balancer/random.js';
import { ringHash } from '../balancer/ringHash.js';
import { roundRobin } from '../balancer/roundRobin.js';
import { weightedRandom } from '../balancer/weightedRandom.js';
import { weightedRoundRobin } from '../balancer/weightedRoundRobin.js';

/** Each name with the others that mean the same. */
export const balancerNames = {
  round_robin: ['rr'],
  random: [],
  consistent_hash: ['hash'],
  ring_hash: ['ring_hash_experimental'],
  maglev: [],
  least_connections: ['least_conn', 'least_loaded', 'least_request'],
  weighted_round_robin: ['wrr'],
  weighted_random: [],
  power_of_two: ['p2c', 'least_request_experimental'],
} as const;

/** The name of a strategy. */
export type BalancerName = keyof typeof balancerNames;

/** The strategy of that name, with its defaults. */
export function balancerOfName(name: BalancerName): Balancer {
  return balancers[name]();
}

const balancers: Readonly<Record<BalancerName, () => Balancer>> = {
  round_robin: () => roundRobin(),
  random: () => random(),
  consistent_hash: () => consistentHash(),
  ring_hash: () => ringHash(),
  maglev: () => maglev(),
  least_connections: () => leastLoaded(),
  weighted_round_robin: () => weightedRoundRobin(),
  weighted_random: () => weightedRandom(),
  power_of_two: () => powerOfTwo(),
};
