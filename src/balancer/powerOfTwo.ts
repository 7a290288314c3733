/** The less busy of two drawn nodes. */

import { leastRequest } from './leastRequest.js';
import type { Balancer } from './picker.js';

export interface PowerOfTwoOptions {
  /** Chance, from 0 up to 1; asked once for each node drawn. Default `Math.random`. */
  readonly random?: () => number;
}

/**
 * Draws two different routable nodes and takes the one with fewer calls in flight for its weight: `leastRequest()` as it is by
 * default, under the name by which the method is known (M. Mitzenmacher, "The Power of Two Choices in Randomized Load
 * Balancing", IEEE TPDS 12 (10), 2001).
 *
 *     nodes$   a-----|      a = x y
 *     pick()   -p-p-p|
 *     picked   -x-y-x|      nothing ends: the idle one of the two
 *
 * gRPC name: `least_request_experimental` (gRFC A48), with a `choiceCount` of 2 and no node drawn twice.
 */
export function powerOfTwo(options: PowerOfTwoOptions = {}): Balancer {
  return leastRequest({ random: options.random });
}
