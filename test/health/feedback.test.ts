/**
 * Whether what takes nodes out, lets them in and weighs them comes to rest, or whether it swings: each judge acts on the calls that
 * the others have moved. Whole fleets of 3, 10 and 500 nodes, for minutes of virtual time.
 */

import { share, ReplaySubject, Subject } from 'rxjs';
import { leastLoaded } from '../../src/balancer/leastLoaded.js';
import type { Balancer, Picker } from '../../src/balancer/picker.js';
import { powerOfTwo } from '../../src/balancer/powerOfTwo.js';
import { weightedRoundRobin } from '../../src/balancer/weightedRoundRobin.js';
import { isRoutable } from '../../src/core/isRoutable.js';
import { createNode, type Node } from '../../src/core/node.js';
import type { NodeOutcome } from '../../src/core/nodeOutcome.js';
import { NodeSet } from '../../src/core/nodeSet.js';
import type { Outcome } from '../../src/core/nodeStats.js';
import { consecutiveFailures } from '../../src/health/consecutiveFailures.js';
import { ejections } from '../../src/health/ejections.js';
import type { HealthEvent, NodeEjected, PanicChanged } from '../../src/health/healthEvent.js';
import { outlierDetection } from '../../src/health/outlierDetection.js';
import { panic } from '../../src/health/panic.js';
import { slowStart } from '../../src/health/slowStart.js';
import { createNodeDirectory } from '../../src/nodes/nodeDirectory.js';
import { seededRandom } from '../../src/testing/seededRandom.js';
import { VirtualTime } from './virtualTime.js';

interface FleetRules {
  readonly nodes: number;
  /** Calls a second, by all. */
  readonly rate: number;
  /** Calls that a node serves in a second; what is more fails. Default: all that come. */
  readonly capacity?: number;
  readonly balancer: () => Balancer;
  /** A breaker at each node, that opens for 5 s after so many failures in a row. Default: none. */
  readonly breakerAfter?: number;
}

/** Whether a call to a node fails at a time, in seconds, apart from overload. */
type Fault = (id: string, second: number) => boolean;

const good: Outcome = { status: 'ok', latencyMs: 10 };
const bad: Outcome = { status: 'failed', latencyMs: 1, code: 'INTERNAL', blame: 'node' };

/** Lives for so many seconds, and tells what became of it. */
function live({ nodes, rate, capacity = Infinity, balancer, breakerAfter }: FleetRules, seconds: number, fails: Fault) {
  const clock = new VirtualTime();
  const random = seededRandom(7);
  const source$ = new Subject<NodeSet>();
  const directory = createNodeDirectory(source$);
  const { nodes$, eject, readmit } = directory;
  const events$ = new Subject<HealthEvent>();
  const ejected: NodeEjected[] = [];
  const panics: PanicChanged[] = [];
  events$.subscribe((event) => {
    if (event.type === 'ejected' && event.enforced) ejected.push(event);
    else if (event.type === 'panicChanged') panics.push(event);
  });
  const outcomes$ = new Subject<NodeOutcome>();
  source$.next(
    NodeSet.of(
      Array.from({ length: nodes }, (_, i) =>
        createNode({ id: `n${i}`, address: '10.0.0.1:1', availability: 'ready' }),
      ),
    ),
  );
  const ports = {
    outcomes$,
    nodes$,
    nodes: () => nodes$.value,
    events: events$,
    eject,
    readmit,
    scheduler: clock,
    random,
  };
  ejections([consecutiveFailures(), outlierDetection()], {}, ports).run$.subscribe();
  const isLetIn = ({ id }: Node) => !isRoutable(nodes$.value.get(id)!);
  let picker: Picker | undefined;
  nodes$
    .pipe(
      panic({}, { events: events$, scheduler: clock }),
      slowStart({ windowMs: 30_000 }, { scheduler: clock, isLetIn }),
      share({ connector: () => new ReplaySubject(1) }),
      balancer(),
    )
    .subscribe((next) => (picker = next));

  const failuresAt: number[] = new Array<number>(seconds).fill(0);
  const open = new Set<string>();
  const calls: number[] = new Array<number>(seconds).fill(0);
  const served = new Map<string, number>();
  let leastTakers = nodes;
  for (let second = 0; second < seconds; second++) {
    served.clear();
    for (let i = 0; i < rate; i++) {
      clock.advance(1_000 / rate);
      calls[second]!++;
      const pick = picker!.pick({});
      if (!pick.node || open.has(pick.node.id)) {
        if (pick.node) pick.release();
        failuresAt[second]!++;
        continue;
      }
      const { node } = pick;
      const load = (served.get(node.id) ?? 0) + 1;
      served.set(node.id, load);
      const outcome = load > capacity || fails(node.id, second) ? bad : good;
      pick.end(outcome);
      if (outcome === bad) failuresAt[second]!++;
      if (breakerAfter !== undefined && node.stats.consecutiveFailures >= breakerAfter && !open.has(node.id)) {
        const { id } = node;
        open.add(id);
        eject(id, { by: 'breaker', obstacle: 'circuitOpen', reason: 'shut', until: undefined });
        clock.schedule(() => {
          open.delete(id);
          node.stats.consecutiveFailures = 0;
          readmit(id, 'breaker');
        }, 5_000);
      }
      outcomes$.next({ node, outcome });
    }
    leastTakers = Math.min(leastTakers, nodes$.value.nodes.filter(isRoutable).length);
  }
  const failed = (from: number, to = seconds) => {
    const sum = (list: readonly number[]) => list.slice(from, to).reduce((total, one) => total + one, 0);
    return sum(failuresAt) / sum(calls);
  };
  const out = () => nodes$.value.nodes.filter(({ health }) => health === 'ejected').map(({ id }) => id);
  return { ejected, panics, failed, out, leastTakers };
}

const balancers = { weightedRoundRobin, leastLoaded, powerOfTwo: () => powerOfTwo({ random: seededRandom(3) }) };
const sizes = [
  { nodes: 3, rate: 1 },
  { nodes: 3, rate: 60 },
  { nodes: 10, rate: 100 },
];
const fleets = [
  ...Object.entries(balancers).flatMap(([name, balancer]) => sizes.map((size) => ({ name, ...size, balancer }))),
  { name: 'weightedRoundRobin', nodes: 500, rate: 500, balancer: weightedRoundRobin },
];

describe('a fleet comes to rest', () => {
  it.each(fleets)(
    '$name, $nodes nodes, $rate calls a second: one bad node is the only one that is ever out',
    (rules) => {
      const { ejected, failed, panics } = live(rules, 600, (id) => id === 'n0');
      expect(new Set(ejected.map(({ node }) => node.id))).toEqual(
        new Set(rules.rate === 1 && ejected.length === 0 ? [] : ['n0']),
      );
      // 30, 60, 90 s, …: it is tried ever less often.
      expect(ejected.length).toBeLessThanOrEqual(7);
      expect(panics).toEqual([]);
      expect(failed(60)).toBeLessThan(rules.rate === 1 ? 0.2 : 0.05);
    },
  );

  it.each(fleets)('$name, $nodes nodes, $rate calls a second: after an outage of all it is whole again', (rules) => {
    const { ejected, failed, out, leastTakers } = live(rules, 420, (_, second) => second >= 60 && second < 120);
    // Never more than the budget, and never the last.
    expect(leastTakers).toBeGreaterThanOrEqual(rules.nodes - Math.max(1, Math.floor(rules.nodes / 10)));
    // As soon as the outage is over calls succeed, since most nodes were never out.
    expect(failed(121)).toBe(0);
    // The interval in which it ended is the last for which anybody is judged.
    expect(ejected.filter(({ at }) => at > 130_000)).toEqual([]);
    expect(out()).toEqual([]);
  });

  it.each(fleets)('$name, $nodes nodes, $rate calls a second: with breakers, too', (rules) => {
    const { failed, out } = live({ ...rules, breakerAfter: 5 }, 240, (_, second) => second >= 60 && second < 120);
    // A breaker may be open for five seconds more, and at all nodes.
    expect(failed(131)).toBe(0);
    expect(out()).toEqual([]);
  });

  it.each([
    { nodes: 3, rate: 30, capacity: 16 },
    { nodes: 10, rate: 100, capacity: 12 },
    { nodes: 500, rate: 1_000, capacity: 3 },
  ])('$nodes nodes that are loaded to the brim: the loss of one does not bring down the next', (size) => {
    const rules = { ...size, balancer: weightedRoundRobin };
    const { ejected, failed, out } = live(rules, 300, (id, second) => id === 'n0' && second >= 60 && second < 90);
    expect(new Set(ejected.map(({ node }) => node.id))).toEqual(new Set(['n0']));
    expect(ejected.length).toBeLessThanOrEqual(2);
    expect(failed(150)).toBeLessThan(0.001);
    expect(out()).toEqual([]);
  });
});
