/** The clients of the scenarios, by name: each policy alone, and all that one would turn on together. */

import {
  aimdLimit,
  circuitBreaker,
  concurrencyLimit,
  consecutiveFailures,
  fastestResponse,
  gradientLimit,
  leastLoaded,
  leastRequest,
  outlierDetection,
  peakEwma,
  rateLimit,
  roundRobin,
  vegasLimit,
  weightedRandom,
} from '../../src/index.js';
import type { ClientOf, ClientOptions } from './simulate.js';
import type { SimulatedNode } from './simulatedNode.js';

/** Health checks that find a node that is down within two seconds. */
const checked: ClientOptions = {
  probe: (node: SimulatedNode) => node.ping(),
  health: { intervalMs: 500, timeoutMs: 500 },
};
/** In a fleet of 500 a node has some fifty calls in ten seconds. */
const sparse = { successRate: { requestVolume: 20 }, failurePercentage: { requestVolume: 20 } };
/** What each client has unless it says otherwise: turns, and another node after a failure. */
const retries = { initialBackoffMs: 20 };

export const policies = {
  /** Turns alone: what a failure costs where nothing is done about it. */
  noRetry: () => ({ balancer: roundRobin(), calls: { retry: false, failover: false } }),
  /** Turns and failover, which all of the others have, too. */
  roundRobin: () => ({ balancer: roundRobin() }),
  leastLoaded: (_, random) => ({ balancer: leastLoaded({ random }) }),
  leastRequest: (_, random) => ({ balancer: leastRequest({ random }) }),
  peakEwma: (scheduler, random) => ({ balancer: peakEwma({ random, scheduler }) }),
  fastestResponse: (scheduler, random) => ({ balancer: fastestResponse({ random, scheduler }) }),
  healthChecks: (_, random) => ({ ...checked, balancer: weightedRandom({ random }) }),
  /** The same, and those that come back warm up. */
  slowStart: (_, random) => ({ ...checked, slowStart: { windowMs: 10_000 }, balancer: weightedRandom({ random }) }),
  circuitBreaker: () => ({ use: [circuitBreaker()] }),
  breakerByRate: () => ({ use: [circuitBreaker({ failureRate: { ratio: 0.3, minimumCalls: 20 } })] }),
  breakerAndPanic: () => ({ use: [circuitBreaker()], panic: {} }),
  consecutiveFailures: () => ({ eject: [consecutiveFailures()] }),
  outlierDetection: () => ({ eject: [outlierDetection(sparse)] }),
  panic: () => ({ eject: [consecutiveFailures()], ejectionBudget: { maxEjectionPercent: 100 }, panic: {} }),
  fixedLimit: () => ({ use: [concurrencyLimit({ max: 4_000 })] }),
  fixedLimitPerNode: () => ({ use: [concurrencyLimit({ max: 12, per: 'node' })] }),
  aimdLimit: () => ({ use: [concurrencyLimit({ per: 'client', limit: aimdLimit() })] }),
  aimdLimitPerNode: () => ({ use: [concurrencyLimit({ limit: aimdLimit(), per: 'node' })] }),
  gradientLimit: () => ({ use: [concurrencyLimit({ per: 'client', limit: gradientLimit() })] }),
  gradientLimitPerNode: () => ({ use: [concurrencyLimit({ limit: gradientLimit(), per: 'node' })] }),
  vegasLimit: () => ({ use: [concurrencyLimit({ per: 'client', limit: vegasLimit() })] }),
  vegasLimitPerNode: () => ({ use: [concurrencyLimit({ limit: vegasLimit(), per: 'node' })] }),
  rateLimit: () => ({ use: [rateLimit({ perSecond: 5_000, maxWaitMs: 100 })] }),
  retry: () => ({ calls: { retry: { ...retries, maxAttempts: 5 } } }),
  hedge: () => ({ calls: { hedge: { percentile: 0.95 } } }),
  everything: (scheduler, random) => ({
    ...checked,
    balancer: peakEwma({ random, scheduler }),
    use: [circuitBreaker(), concurrencyLimit({ limit: gradientLimit(), per: 'node' })],
    eject: [consecutiveFailures(), outlierDetection(sparse)],
    slowStart: { windowMs: 10_000 },
    panic: {},
    calls: { retry: retries, hedge: { percentile: 0.95 } },
  }),
} satisfies Record<string, ClientOf>;

export type PolicyName = keyof typeof policies;
