/** The strategies by the names that configurations give them: flare's, fyer's, Lumen's, gRPC's and ours. */

import type { SchedulerLike } from 'rxjs';
import { consistentHash } from '../balancer/consistentHash.js';
import { fastestResponse } from '../balancer/fastestResponse.js';
import { leastLoaded } from '../balancer/leastLoaded.js';
import { maglev } from '../balancer/maglev.js';
import { peakEwma } from '../balancer/peakEwma.js';
import { pickFirst } from '../balancer/pickFirst.js';
import type { Balancer } from '../balancer/picker.js';
import { powerOfTwo } from '../balancer/powerOfTwo.js';
import { priorityFailover } from '../balancer/priorityFailover.js';
import { random } from '../balancer/random.js';
import { ringHash } from '../balancer/ringHash.js';
import { roundRobin } from '../balancer/roundRobin.js';
import { weightedRandom } from '../balancer/weightedRandom.js';
import { weightedRoundRobin } from '../balancer/weightedRoundRobin.js';
import { taskAware } from '../lumen/taskAware.js';

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
  peak_ewma: [],
  fastest_response: ['fastest'],
  pick_first: [],
  client_side_weighted_round_robin: ['load_reports'],
  priority_failover: ['priority'],
  task_aware_round_robin: ['task_aware'],
  task_aware_random: [],
} as const;

/** The name of a strategy. */
export type BalancerName = keyof typeof balancerNames;

/** The strategy of that name, with its defaults. */
export function balancerOfName(name: BalancerName, scheduler?: SchedulerLike): Balancer {
  return balancers[name](scheduler);
}

const balancers: Readonly<Record<BalancerName, (scheduler?: SchedulerLike) => Balancer>> = {
  round_robin: () => roundRobin(),
  random: () => random(),
  consistent_hash: () => consistentHash(),
  ring_hash: () => ringHash(),
  maglev: () => maglev(),
  least_connections: () => leastLoaded(),
  weighted_round_robin: () => weightedRoundRobin(),
  weighted_random: () => weightedRandom(),
  power_of_two: () => powerOfTwo(),
  peak_ewma: (scheduler) => peakEwma({ scheduler }),
  fastest_response: (scheduler) => fastestResponse({ scheduler }),
  pick_first: () => pickFirst(),
  client_side_weighted_round_robin: (scheduler) => weightedRoundRobin({ loadReports: true, scheduler }),
  priority_failover: () => priorityFailover(),
  task_aware_round_robin: () => taskAware(),
  task_aware_random: () => taskAware({ pick: 'random' }),
};
