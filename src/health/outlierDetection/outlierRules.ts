/** What outlier detection may be told, and the one place where its defaults are: those of gRFC A50. */

import { requireDuration } from '../../core/requireDuration.js';
import { requireOption } from '../../core/requireOption.js';
import {
  requireCount,
  requirePercentage,
  resolveTerms,
  type EjectionTerms,
  type ResolvedTerms,
} from '../ejectionTerms.js';

export interface OutlierDetectionOptions extends EjectionTerms {
  /** From one judgement to the next, in milliseconds. Default 10,000. gRFC A50: `interval`. */
  readonly intervalMs?: number;
  /** Takes out nodes that succeed less often than the others. `false`: it does not. Default: as its fields say. */
  readonly successRate?: SuccessRateOptions | false;
  /** Takes out nodes of which more than a fixed share of calls fails. `false`: it does not. Default: as its fields say. */
  readonly failurePercentage?: FailurePercentageOptions | false;
}

/** gRFC A50: `success_rate_ejection`. */
export interface SuccessRateOptions {
  /**
   * How many standard deviations under the mean a success rate may be, in thousandths. Default 1,900.
   * `stdev_factor`.
   */
  readonly stdevFactor?: number;
  /** Of so many nodes in a hundred that are found, the node is really taken out. Default 100. `enforcement_percentage`. */
  readonly enforcementPercentage?: number;
  /** With fewer nodes that had `requestVolume` calls nobody is judged. Default 5. `minimum_hosts`. */
  readonly minimumHosts?: number;
  /** A node with fewer calls in an interval is not judged. Default 100. `request_volume`. */
  readonly requestVolume?: number;
}

/** gRFC A50: `failure_percentage_ejection`. */
export interface FailurePercentageOptions {
  /** Of a hundred calls more than this must fail. Default 85. `threshold`. */
  readonly threshold?: number;
  /** Of so many nodes in a hundred that are found, the node is really taken out. Default 100. `enforcement_percentage`. */
  readonly enforcementPercentage?: number;
  /** With fewer nodes in the fleet nobody is judged. Default 5. `minimum_hosts`. */
  readonly minimumHosts?: number;
  /** A node with fewer calls in an interval is not judged. Default 50. `request_volume`. */
  readonly requestVolume?: number;
}

/** The options with their defaults. */
export interface OutlierRules {
  readonly intervalMs: number;
  readonly terms: ResolvedTerms;
  readonly successRate: Required<SuccessRateOptions> | undefined;
  readonly failurePercentage: Required<FailurePercentageOptions> | undefined;
}

/** @throws FleetError `INVALID_OPTION`, naming the field. */
export function outlierRules(options: OutlierDetectionOptions): OutlierRules {
  const { intervalMs = 10_000, successRate = {}, failurePercentage = {} } = options;
  requireDuration('outlierDetection.intervalMs', intervalMs);
  const some = successRate !== false || failurePercentage !== false;
  requireOption(some, 'outlierDetection', 'left with successRate or failurePercentage', 'both false');
  return {
    intervalMs,
    terms: resolveTerms('outlierDetection', options),
    successRate: successRate === false ? undefined : resolveSuccessRate(successRate),
    failurePercentage: failurePercentage === false ? undefined : resolveFailurePercentage(failurePercentage),
  };
}

function resolveSuccessRate(options: SuccessRateOptions): Required<SuccessRateOptions> {
  const { stdevFactor = 1_900, enforcementPercentage = 100, minimumHosts = 5, requestVolume = 100 } = options;
  const of = 'outlierDetection.successRate';
  requireOption(stdevFactor >= 0 && stdevFactor < Infinity, `${of}.stdevFactor`, 'at least 0', stdevFactor);
  requirePercentage(`${of}.enforcementPercentage`, enforcementPercentage);
  requireCount(`${of}.minimumHosts`, minimumHosts);
  requireCount(`${of}.requestVolume`, requestVolume);
  return { stdevFactor, enforcementPercentage, minimumHosts, requestVolume };
}

function resolveFailurePercentage(options: FailurePercentageOptions): Required<FailurePercentageOptions> {
  const { threshold = 85, enforcementPercentage = 100, minimumHosts = 5, requestVolume = 50 } = options;
  const of = 'outlierDetection.failurePercentage';
  requirePercentage(`${of}.threshold`, threshold);
  requirePercentage(`${of}.enforcementPercentage`, enforcementPercentage);
  requireCount(`${of}.minimumHosts`, minimumHosts);
  requireCount(`${of}.requestVolume`, requestVolume);
  return { threshold, enforcementPercentage, minimumHosts, requestVolume };
}
