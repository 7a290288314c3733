/** Picks a second of each balancer, at 1,000 and 10,000 nodes. `npx tsx test/bench/picks.ts [--quick]` prints them. */

import { fileURLToPath } from 'node:url';
import { of } from 'rxjs';
import { consistentHash } from '../../src/balancer/consistentHash.js';
import { leastLoaded } from '../../src/balancer/leastLoaded.js';
import { maglev } from '../../src/balancer/maglev.js';
import type { Balancer, Pick, PickContext, Picker } from '../../src/balancer/picker.js';
import { powerOfTwo } from '../../src/balancer/powerOfTwo.js';
import { random } from '../../src/balancer/random.js';
import { randomSubset } from '../../src/balancer/randomSubset.js';
import { ringHash } from '../../src/balancer/ringHash.js';
import { roundRobin } from '../../src/balancer/roundRobin.js';
import { stickySessions } from '../../src/balancer/stickySessions.js';
import { weightedRandom } from '../../src/balancer/weightedRandom.js';
import { weightedRoundRobin } from '../../src/balancer/weightedRoundRobin.js';
import { createNode } from '../../src/core/node.js';
import { NodeSet } from '../../src/core/nodeSet.js';
import type { Row } from './measure.js';

const sizes = [1_000, 10_000] as const;
const inFlight = 64;
const balancers: Readonly<Record<string, () => Balancer>> = {
  roundRobin,
  random,
  leastLoaded,
  powerOfTwo,
  weightedRoundRobin,
  weightedRandom,
  consistentHash,
  ringHash,
  'ringHash of a large ring': () => ringHash({ maxRingSize: 1_048_576, minRingSize: 524_288 }),
  'ringHash with bounded loads': () => ringHash({ boundedLoad: 1.25 }),
  maglev,
  stickySessions,
  randomSubset: () => randomSubset(20),
};
const contexts: readonly PickContext[] = Array.from({ length: 4_096 }, (_, i) => ({ key: `user-${i * 7_919}` }));
const outcome = { status: 'ok', latencyMs: 1 } as const;

function pickerFor(balancer: Balancer, size: number): Picker {
  const set = NodeSet.of(
    Array.from({ length: size }, (_, i) =>
      createNode({ id: `node-${i}`, address: `10.0.${i >> 8}.${i & 255}:50051`, weight: 1 + (i % 10) }),
    ),
  );
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
  const count = quick ? 400_000 : 2_000_000;
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

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const { name, against, ratio, value } of pickRows(process.argv.includes('--quick'))) {
    console.log(`${name.padEnd(40)} ${(value / 1e6).toFixed(1).padStart(7)} M/s   ${ratio.toFixed(2)}x ${against}`);
  }
}
