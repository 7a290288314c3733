/** Picks a second of each balancer, at 1,000 and 10,000 nodes. */

import { of } from 'rxjs';
import { consistentHash } from '../../src/balancer/consistentHash.js';
import { fastestResponse } from '../../src/balancer/fastestResponse.js';
import { leastLoaded } from '../../src/balancer/leastLoaded.js';
import { leastRequest } from '../../src/balancer/leastRequest.js';
import { peakEwma } from '../../src/balancer/peakEwma.js';
import { maglev } from '../../src/balancer/maglev.js';
import type { Balancer, Pick, PickContext, Picker } from '../../src/balancer/picker.js';
import { powerOfTwo } from '../../src/balancer/powerOfTwo.js';
import { priorityFailover } from '../../src/balancer/priorityFailover.js';
import { random } from '../../src/balancer/random.js';
import { randomSubset } from '../../src/balancer/randomSubset.js';
import { ringHash } from '../../src/balancer/ringHash.js';
import { roundRobin } from '../../src/balancer/roundRobin.js';
import { splitByWeight } from '../../src/balancer/splitByWeight.js';
import { stickySessions } from '../../src/balancer/stickySessions.js';
import { weightedRandom } from '../../src/balancer/weightedRandom.js';
import { weightedRoundRobin } from '../../src/balancer/weightedRoundRobin.js';
import { zoneAware } from '../../src/balancer/zoneAware.js';
import type { LoadReport } from '../../src/core/loadReport.js';
import { createNode } from '../../src/core/node.js';
import { NodeSet } from '../../src/core/nodeSet.js';
import { taskAware } from '../../src/lumen/taskAware.js';
import type { Row } from './measure.js';

const zones = [0, 1, 2, 3, 0, 1, 2, 3, 1, 2, 3, 3];
const sizes = [1_000, 10_000] as const;
const inFlight = 64;
const balancers: Readonly<Record<string, () => Balancer>> = {
  roundRobin,
  random,
  leastLoaded,
  powerOfTwo,
  leastRequest,
  peakEwma,
  fastestResponse,
  weightedRoundRobin,
  loadReports: () => weightedRoundRobin({ loadReports: { blackoutPeriodMs: 0 } }),
  weightedRandom,
  consistentHash,
  splitByWeight: () => splitByWeight({ stable: 90, canary: 10 }),
  // Of four zones this one has a sixth of the nodes and a quarter of the callers, so that a third of the calls leave it.
  zoneAware: () => zoneAware({ zone: 'z0', clients: { z0: 3, z1: 3, z2: 3, z3: 3 } }),
  // As if half of the first priority were down: 30 % of the calls leave it.
  priorityFailover: () => priorityFailover({ overprovisioningFactor: 0.7 }),
  taskAware,
  ringHash,
  'ringHash of a large ring': () => ringHash({ maxRingSize: 1_048_576, minRingSize: 524_288 }),
  'ringHash with bounded loads': () => ringHash({ boundedLoad: 1.25 }),
  maglev,
  stickySessions,
  randomSubset: () => randomSubset(20),
};
const contexts: readonly PickContext[] = Array.from({ length: 4_096 }, (_, i) => ({ key: `user-${i * 7_919}` }));
const outcome = { status: 'ok', latencyMs: 1 } as const;

/** What a node reports: some are twice as busy as others. */
const reportOf = (i: number): LoadReport => ({
  ...{ cpuUtilization: 0.4 + ((i * 37) % 400) / 1_000, memoryUtilization: 0, applicationUtilization: 0 },
  ...{ requestsPerSecond: 500 + ((i * 61) % 300), errorsPerSecond: 0, utilization: {}, requestCost: {}, named: {} },
});

function pickerFor(balancer: Balancer, size: number): Picker {
  const set = NodeSet.of(
    Array.from({ length: size }, (_, i) =>
      createNode({
        ...{ id: `node-${i}`, address: `10.0.${i >> 8}.${i & 255}:50051`, weight: 1 + (i % 10) },
        zone: `z${zones[i % 12]}`,
        tags: { group: i % 10 === 0 ? 'canary' : 'stable' },
        metadata: { priority: String(i & 1) },
      }),
    ),
  );
  set.nodes.forEach(({ stats }, i) => stats.reported(reportOf(i), performance.now()));
  let picker: Picker | undefined;
  of(set)
    .pipe(balancer)
    .subscribe((next) => (picker = next));
  return picker!;
}

/** The picks are kept for a while, as calls keep them: else they would be optimised away. */
function picksPerSecond(picker: Picker, count: number, ending: boolean): number {
  const open = new Array<Pick | undefined>(inFlight).fill(undefined);
  const start = performance.now();
  for (let i = 0; i < count; i++) {
    const at = i % inFlight;
    if (ending) open[at]?.end(outcome);
    open[at] = picker.pick(contexts[i % contexts.length]!) as Pick;
  }
  const seconds = (performance.now() - start) / 1_000;
  for (const pick of open) pick?.end(outcome);
  return count / seconds;
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!;

/** Medians of several rounds; the rounds of all balancers alternate, so that none has the quiet moments to itself. */
export function pickRows(quick: boolean): Row[] {
  const rounds = quick ? 5 : 9;
  const count = quick ? 200_000 : 2_000_000;
  const subjects = Object.entries(balancers).flatMap(([name, balancer]) =>
    sizes.flatMap((size) => {
      const picker = pickerFor(balancer(), size);
      return [false, true].map((ending) => ({ name, size, ending, picker, results: [] as number[] }));
    }),
  );
  for (let round = -1; round < rounds; round++) {
    for (const { picker, ending, results } of subjects) {
      const result = picksPerSecond(picker, count, ending);
      if (round >= 0) results.push(result);
    }
  }
  const medians = new Map(
    subjects.map((s) => [`${s.ending ? 'pick and end' : 'pick'} ${s.name} ${s.size}`, median(s.results)]),
  );
  return subjects.map(({ name, size, ending }) => {
    const verb = ending ? 'pick and end' : 'pick';
    const value = medians.get(`${verb} ${name} ${size}`)!;
    const goal = name === 'roundRobin' ? 20e6 : 5e6;
    const smaller = size === sizes[0] ? undefined : medians.get(`${verb} ${name} ${sizes[0]}`)!;
    return {
      name: `${verb} ${name} ${size}`,
      subject: 'rxfleet',
      against: smaller === undefined ? `goal ${goal / 1e6}M/s` : `same at ${sizes[0]} nodes`,
      ratio: value / (smaller ?? goal),
      value: Math.round(value),
      unit: 'picks/s',
    };
  });
}
