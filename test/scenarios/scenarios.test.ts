/**
 * The scenarios in short: what each policy claims, and all of them together. `npm run scenarios` has the whole table.
 *
 * RXFLEET_SEED plays them with other chances. The bounds hold for any seed: they were set by the worst of twenty, and a margin.
 */

import type { Figures } from './figures.js';
import { incidents, type IncidentName } from './incidents.js';
import { policies, type PolicyName } from './policies.js';
import { nodeOf, play, sizes, type Scenario } from './scenario.js';
import { simulate, type World } from './simulate.js';
import type { Fault } from './simulatedNode.js';

// Nothing waits for real time, but a busy machine may take long to compute it.
vi.setConfig({ testTimeout: 300_000 });

const seed = Number(process.env.RXFLEET_SEED ?? 1);

/** The figures, each within its bounds; a failure names the seed, and shows all. */
function expectOf(scenario: Scenario, claims: (figures: Figures) => Readonly<Record<string, boolean>>): void {
  const figures = play(scenario, seed);
  const broken = Object.entries(claims(figures)).filter(([, holds]) => !holds);
  const what = `${JSON.stringify(scenario)} with RXFLEET_SEED=${seed}: ${JSON.stringify(figures)}`;
  expect(
    broken.map(([claim]) => claim),
    what,
  ).toEqual([]);
}

describe('one of three nodes fails within a microsecond', () => {
  it('costs a third of the calls where nothing is done about it', () => {
    expectOf({ policy: 'noRetry', incident: 'fastFailure', nodes: 3 }, ({ errors }) => ({
      'a third fails': errors.during > 30,
    }));
  });

  it.each<PolicyName>([
    ...(['circuitBreaker', 'breakerByRate', 'breakerAndPanic', 'consecutiveFailures', 'panic'] as const),
    ...(['leastLoaded', 'leastRequest', 'peakEwma', 'fastestResponse', 'everything'] as const),
  ])('%s keeps it from the callers, and does not pay for that with retries', (policy) => {
    expectOf({ policy, incident: 'fastFailure', nodes: 3 }, ({ errors, amplification, recovery, wronged }) => ({
      'no errors': errors.during <= 0.1,
      'few retries': amplification.during <= 1.1,
      'the node is found again': recovery <= 8,
      'no sound node is taken out': wronged === 0,
    }));
  });
});

describe('one of ten nodes fails within a microsecond', () => {
  it.each([
    ['roundRobin', 1.15, 0.2],
    ['circuitBreaker', 1.02, 0.2],
    ['outlierDetection', 1.1, 0.2],
    ['leastLoaded', 1.02, 1.5],
    ['leastRequest', 1.02, 1.5],
    ['peakEwma', 1.02, 6],
    ['fastestResponse', 1.05, 3],
    ['everything', 1.12, 4],
  ] as const)('%s keeps it from the callers; shares do not swing', (policy, mostAmplified, mostSwing) => {
    expectOf({ policy, incident: 'fastFailure', nodes: 10 }, ({ errors, amplification, swing, wronged }) => ({
      'no errors': errors.during <= 0.1,
      'few retries': amplification.during <= mostAmplified,
      'shares are steady before': swing.before <= mostSwing,
      'shares are steady after': swing.after <= mostSwing,
      'no sound node is taken out': wronged === 0,
    }));
  });
});

describe('one of three nodes takes a hundred times as long', () => {
  it('costs nearly a third of the calls where nothing is done about it', () => {
    expectOf({ policy: 'roundRobin', incident: 'slowNode', nodes: 3 }, ({ errors }) => ({
      'a third fails': errors.during > 28,
    }));
  });

  it.each([
    ['leastLoaded', 1.5],
    ['leastRequest', 1.5],
    ['peakEwma', 0.5],
    ['fastestResponse', 5],
    ['circuitBreaker', 3],
    ['consecutiveFailures', 3],
    ['fixedLimitPerNode', 6],
    ['aimdLimitPerNode', 4],
    ['gradientLimitPerNode', 4],
    ['vegasLimitPerNode', 8],
    ['everything', 0.2],
  ] as const)('%s leaves it nearly alone', (policy, mostErrors) => {
    expectOf({ policy, incident: 'slowNode', nodes: 3 }, ({ errors, skew, recovery }) => ({
      'few errors': errors.during <= mostErrors,
      'the others have its share': skew.during >= 1.3,
      'all is as before after it': recovery <= 8,
    }));
  });

  it.each<PolicyName>(['gradientLimit', 'vegasLimit', 'aimdLimit'])(
    '%s of the whole client has its limit back as soon as the node is well',
    (policy) => {
      expectOf({ policy, incident: 'slowNode', nodes: 10 }, ({ errors, recovery }) => ({
        'no worse than without it': errors.during <= 20,
        'all is as before after it': recovery <= 8 && errors.after <= 4,
      }));
    },
  );
});

describe('all nodes are down', () => {
  it.each([
    ['roundRobin', 3],
    ['retry', 3],
    ['hedge', 3],
    ['peakEwma', 3],
    ['breakerAndPanic', 3],
    ['everything', 3],
    ['roundRobin', 10],
    ['everything', 10],
  ] as const)(
    '%s of %i makes at most a fifth more attempts than calls, and goes on at once after it',
    (policy, nodes) => {
      expectOf({ policy, incident: 'outage', nodes }, ({ amplification, recovery }) => ({
        'a fifth more': amplification.during <= 1.205,
        'hardly more in any second': amplification.worst <= 1.25,
        'all is as before after it': recovery <= 5,
      }));
    },
  );

  it.each([3, 10, 500])('hedge does not double the load of %i nodes that hang, from the first second on', (nodes) => {
    const suffer = (fault: Fault) => (world: World) => {
      for (const node of world.nodes) node.suffer(fault);
    };
    const happenings = [{ at: 10_000, happen: suffer({ kind: 'slow', factor: 1e6 }) }];
    const { seconds } = simulate({ nodes, node: nodeOf(nodes), lastsMs: 30_000, happenings, seed }, policies.hedge);
    const amplified = seconds.slice(10).map(({ attempts, begun }) => attempts / begun);
    const what = `RXFLEET_SEED=${seed}: ${amplified.join(' ')}`;
    // What is always given in a second counts for more where there are few calls.
    expect(Math.max(...amplified), what).toBeLessThanOrEqual(1.3);
    expect(amplified.reduce((sum, each) => sum + each, 0) / amplified.length, what).toBeLessThanOrEqual(1.22);
  });

  it('circuitBreaker sends next to nothing to them, and finds them again', () => {
    expectOf({ policy: 'circuitBreaker', incident: 'outage', nodes: 3 }, ({ amplification, recovery }) => ({
      'next to nothing': amplification.during <= 0.02,
      'they are found again': recovery <= 25,
    }));
  });
});

describe('the nodes are restarted one after the other', () => {
  it('slowStart keeps calls from waiting at those that are still cold', () => {
    const scenario = { incident: 'rollingRestart', nodes: 10 } as const;
    const cold = play({ ...scenario, policy: 'healthChecks' }, seed);
    const warm = play({ ...scenario, policy: 'slowStart' }, seed);
    const what = `RXFLEET_SEED=${seed}`;
    expect(warm.p99.during, what).toBeLessThan(0.5 * cold.p99.during);
    expect(warm.errors.during, what).toBeLessThanOrEqual(0.2);
  });

  it.each<PolicyName>(['leastRequest', 'leastLoaded', 'peakEwma', 'everything'])(
    '%s gives those that are back as much as they can bear',
    (policy) => {
      expectOf({ policy, incident: 'rollingRestart', nodes: 3 }, ({ errors, recovery }) => ({
        'hardly any errors': errors.during <= 0.5,
        'all is as before after it': recovery <= 5,
      }));
    },
  );

  it('panic keeps circuit breakers from leaving too few nodes to three restarts in a row', () => {
    expectOf({ policy: 'breakerAndPanic', incident: 'rollingRestart', nodes: 3 }, ({ errors, recovery }) => ({
      'few errors': errors.during <= 4,
      'all is as before after it': recovery <= 5,
    }));
  });
});

describe('a node fails every second call', () => {
  it('outlierDetection takes it out of ten, and nobody else', () => {
    expectOf({ policy: 'outlierDetection', incident: 'everySecond', nodes: 10 }, ({ errors, takenOut, wronged }) => ({
      'no errors': errors.during <= 0.1,
      'it is taken out': takenOut >= 1,
      'nobody else is': wronged === 0,
    }));
  });

  it.each([3, 10])('everything keeps it from the callers of %i', (nodes) => {
    expectOf({ policy: 'everything', incident: 'everySecond', nodes }, ({ errors, amplification }) => ({
      'no errors': errors.during <= 0.1,
      'few retries': amplification.during <= 1.12,
    }));
  });
});

describe('a fleet of one', () => {
  it.each<PolicyName>([
    ...(['healthChecks', 'slowStart', 'circuitBreaker', 'breakerByRate', 'breakerAndPanic'] as const),
    ...(['consecutiveFailures', 'outlierDetection', 'panic', 'leastLoaded', 'peakEwma'] as const),
    ...(['aimdLimitPerNode', 'gradientLimitPerNode', 'vegasLimitPerNode', 'everything'] as const),
  ])('%s finds its node again, whatever was wrong with it', (policy) => {
    for (const incident of ['fastFailure', 'outage'] satisfies IncidentName[]) {
      expectOf({ policy, incident, nodes: 1 }, ({ recovery }) => ({ 'it is found again': recovery <= 25 }));
    }
  });
});

describe('all policies together', () => {
  it('know of an outage of five hundred nodes when it is over', () => {
    expectOf(
      { policy: 'everything', incident: 'outage', nodes: 500 },
      ({ errors, amplification, recovery, swing }) => ({
        'a fifth more': amplification.during <= 1.205,
        'all is as before after it': recovery <= 5,
        'hardly any errors after it': errors.after <= 1,
        'shares are steady': swing.before <= 3 && swing.after <= 3,
      }),
    );
  });

  it('are played in each incident, in each size', () => {
    expect(Object.keys(incidents)).toEqual(['fastFailure', 'slowNode', 'everySecond', 'outage', 'rollingRestart']);
    expect(sizes).toEqual([1, 3, 10, 500]);
  });
});
