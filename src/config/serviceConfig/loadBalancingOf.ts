/** What a service config says of load balancing: the first policy of its list that is known here. */

import { leastRequest } from '../../balancer/leastRequest.js';
import { pickFirst } from '../../balancer/pickFirst.js';
import { randomSubset } from '../../balancer/randomSubset.js';
import { ringHash } from '../../balancer/ringHash.js';
import { roundRobin } from '../../balancer/roundRobin.js';
import { weightedRoundRobin } from '../../balancer/weightedRoundRobin.js';
import type { FleetOptions } from '../../client/fleet.js';
import { FleetError } from '../../core/fleetError.js';
import { outlierDetection } from '../../health/outlierDetection.js';
import { outOfBandLoad } from '../../health/outOfBandLoad.js';
import { isRecord } from '../../discovery/readNode.js';
import { JsonFields } from './jsonFields.js';

/** What a policy comes to: how nodes are picked, and who is taken out. */
export type LoadBalancing = Pick<FleetOptions, 'balancer' | 'loadReports' | 'eject' | 'ejectionBudget'>;

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
    const policy = Object.hasOwn(policies, name) ? policies[name] : undefined;
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
    return { balancer: pickFirst({ shuffle: shuffle ?? false }) };
  },
  round_robin: (config, path) => {
    new JsonFields(config, path, []);
    return { balancer: roundRobin({ random: Math.random }) };
  },
  weighted_round_robin: byLoadReports,
  least_request_experimental: (config, path) => {
    const choiceCount = new JsonFields(config, path, ['choiceCount']).whole('choiceCount', 2);
    return { balancer: leastRequest({ choiceCount }) };
  },
  ring_hash_experimental: byRing,
  random_subsetting_experimental: ofSubset,
  outlier_detection_experimental: withoutOutliers,
};

/** gRFC A58. */
function byLoadReports(config: unknown, path: string): LoadBalancing {
  const fields = new JsonFields(config, path, [
    ...['enableOobLoadReport', 'oobReportingPeriod', 'blackoutPeriod', 'weightExpirationPeriod', 'weightUpdatePeriod'],
    'errorUtilizationPenalty',
  ]);
  const intervalMs = fields.time('oobReportingPeriod');
  const outOfBand = fields.flag('enableOobLoadReport') ?? false;
  if (intervalMs !== undefined && !outOfBand) {
    throw new FleetError(
      'INVALID_OPTION',
      `${fields.at('oobReportingPeriod')} has no effect without enableOobLoadReport`,
    );
  }
  const updateMs = fields.duration('weightUpdatePeriod');
  const loadReports = given({
    blackoutPeriodMs: fields.duration('blackoutPeriod'),
    weightExpirationMs: fields.time('weightExpirationPeriod'),
    // gRPC raises what is less.
    weightUpdateMs: updateMs === undefined ? undefined : Math.max(100, updateMs),
    errorUtilizationPenalty: fields.number('errorUtilizationPenalty', 'at least 0', (value) => value >= 0),
  });
  return {
    balancer: weightedRoundRobin({ random: Math.random, loadReports }),
    ...(outOfBand ? { loadReports: outOfBandLoad(given({ intervalMs })) } : {}),
  };
}

/** What gRPC caps the ring at, unless the application raises it. */
const ringSizeCap = 4_096;

/** gRFC A42. */
function byRing(config: unknown, path: string): LoadBalancing {
  const fields = new JsonFields(config, path, ['minRingSize', 'maxRingSize'], {
    requestHashHeader: 'give the calls a `key` instead',
  });
  const size = (name: string) => Math.min(fields.whole(name, 1, 8 * 2 ** 20) ?? ringSizeCap, ringSizeCap);
  const maxRingSize = size('maxRingSize');
  const minRingSize = fields.has('minRingSize') ? size('minRingSize') : Math.min(1_024, maxRingSize);
  if (minRingSize > maxRingSize) throw fields.refuse('minRingSize', `at most maxRingSize, which is ${maxRingSize}`);
  return { balancer: ringHash({ minRingSize, maxRingSize }) };
}

/** gRFC A68. */
function ofSubset(config: unknown, path: string): LoadBalancing {
  const fields = new JsonFields(config, path, ['subsetSize', 'childPolicy']);
  const subsetSize = fields.required('subsetSize', fields.whole('subsetSize', 1));
  const child = childOf(fields);
  return { ...child, balancer: randomSubset(subsetSize, { balancer: child.balancer }) };
}

/** gRFC A50. */
function withoutOutliers(config: unknown, path: string): LoadBalancing {
  const fields = new JsonFields(config, path, [
    ...['interval', 'baseEjectionTime', 'maxEjectionTime', 'maxEjectionPercent', 'successRateEjection'],
    ...['failurePercentageEjection', 'childPolicy'],
  ]);
  const child = childOf(fields);
  const common = ['enforcementPercentage', 'minimumHosts', 'requestVolume'];
  const shared = (algorithm: JsonFields) => ({
    enforcementPercentage: algorithm.whole('enforcementPercentage', 0, 100),
    minimumHosts: algorithm.whole('minimumHosts', 0),
    requestVolume: algorithm.whole('requestVolume', 0),
  });
  const successRate = algorithmOf(fields, 'successRateEjection', ['stdevFactor', ...common], (algorithm) =>
    given({ stdevFactor: algorithm.whole('stdevFactor', 0), ...shared(algorithm) }),
  );
  const failurePercentage = algorithmOf(fields, 'failurePercentageEjection', ['threshold', ...common], (algorithm) =>
    given({ threshold: algorithm.whole('threshold', 0, 100), ...shared(algorithm) }),
  );
  const times = given({
    intervalMs: fields.time('interval'),
    baseEjectionTimeMs: fields.time('baseEjectionTime'),
    maxEjectionTimeMs: fields.time('maxEjectionTime'),
  });
  const maxEjectionPercent = fields.whole('maxEjectionPercent', 0, 100);
  // Without an algorithm it takes nobody out.
  if (!successRate && !failurePercentage) return child;
  return {
    ...child,
    eject: [...(child.eject ?? []), outlierDetection({ ...times, successRate, failurePercentage })],
    ...(maxEjectionPercent === undefined ? {} : { ejectionBudget: { maxEjectionPercent } }),
  };
}

function algorithmOf<T>(
  fields: JsonFields,
  name: string,
  known: readonly string[],
  read: (algorithm: JsonFields) => T,
): T | false {
  return fields.has(name) && read(new JsonFields(fields.get(name), fields.at(name), known));
}

function childOf(fields: JsonFields): LoadBalancing {
  return loadBalancingOf(fields.required('childPolicy', fields.list('childPolicy')), fields.at('childPolicy'));
}

/** What is given, so that the rest has its defaults. */
function given<T extends object>(options: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as never;
}
