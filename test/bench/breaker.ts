/**
 * What a circuit breaker costs.
 *
 * Beside it, as text, stands what fyer-rpc publishes of its own (README, Go on an i5-4310U of 2.0 GHz, Windows): another
 * machine and another language, so the ratios are no comparison. Its figure for a failover, 0.7 µs, is left out: after its first
 * round no instance is left in that bench, and what it measures is an error that nobody is there.
 */

import { of, throwError, VirtualTimeScheduler } from 'rxjs';
import { consistentHash } from '../../src/balancer/consistentHash.js';
import { roundRobin } from '../../src/balancer/roundRobin.js';
import type { CallInfo } from '../../src/call/call.js';
import { circuitBreaker, type CircuitBreakerOptions } from '../../src/call/circuitBreaker.js';
import type { NodeGate } from '../../src/call/policy.js';
import { createPool, type PoolOptions } from '../../src/client/pool.js';
import { FleetError } from '../../src/core/fleetError.js';
import { createNode, type Node } from '../../src/core/node.js';
import { NodeSet } from '../../src/core/nodeSet.js';
import type { Outcome } from '../../src/core/nodeStats.js';
import { staticNodes } from '../../src/discovery/staticNodes.js';
import { median, type Row } from './measure.js';

/** One way to spend time: so many operations in a row. */
interface Subject {
  readonly name: string;
  /** What fyer-rpc says of the like, in nanoseconds. */
  readonly published: number | undefined;
  run(count: number): void;
  close?(): unknown;
}

const inFlight = 64;
const ok: Outcome = { status: 'ok', latencyMs: 1, at: 1 };
const failed: Outcome = { status: 'failed', latencyMs: 1, at: 1, code: 'UNAVAILABLE', blame: 'network' };
const calls = Array.from({ length: inFlight }, (_, id) => ({ id, name: '/a' }) as unknown as CallInfo);
const node = createNode({ id: 'node-1', address: '10.0.0.1:50051' });
/** What is let in is kept, so that it is not optimised away. */
let sink: unknown;

function gateOf(options: CircuitBreakerOptions): NodeGate {
  const scheduler = new VirtualTimeScheduler();
  const nothing = () => undefined;
  const running = circuitBreaker({ jitter: 0, ...options }).start({
    ...{ scheduler, random: () => 0.5, clock: () => performance.now(), events: { observed: false, next: nothing } },
    ...{ by: 'circuitBreaker', nodes: () => NodeSet.empty, eject: nothing, readmit: nothing },
  });
  return running.nodeGate!;
}

/** Opens the breaker of the node. */
function opened(gate: NodeGate): NodeGate {
  for (let i = 0; i < 5; i++) {
    gate.enter(node, calls[i]!);
    gate.leave(node, calls[i]!, failed);
  }
  return gate;
}

function allow(name: string, published: number, gate: NodeGate): Subject {
  return {
    ...{ name, published },
    run(count) {
      for (let i = 0; i < count; i++) sink = gate.enter(node, calls[i % inFlight]!);
    },
  };
}

function enterAndLeave(name: string, options: CircuitBreakerOptions): Subject {
  const gate = gateOf(options);
  return {
    ...{ name, published: undefined },
    run(count) {
      for (let i = 0; i < count; i++) {
        const call = calls[i % inFlight]!;
        sink = gate.enter(node, call);
        gate.leave(node, call, ok);
      }
    },
  };
}

const three = ['10.0.0.1:50051', '10.0.0.2:50051', '10.0.0.3:50051'];

/** A pool of three that are in memory. */
function poolOf(options: Partial<PoolOptions<string>>, withBreaker: boolean) {
  return createPool({
    ...{ discovery: staticNodes(three), open: ({ id }: Node) => id },
    // It does all but open, which would leave nothing to fail over from.
    use: withBreaker ? [circuitBreaker({ consecutiveFailures: 1_000_000_000 })] : [],
    retryBudget: { ratio: 10 },
    ...options,
  } as PoolOptions<string>);
}

function answered(name: string, published: number | undefined, withBreaker: boolean): Subject {
  const pool = poolOf({}, withBreaker);
  const answer = of(1);
  const use = pool.use(() => answer);
  return {
    ...{ name, published },
    run(count) {
      for (let i = 0; i < count; i++) use.subscribe({ next: (value) => (sink = value) });
    },
    close: () => pool.close({ drainMs: 0 }),
  };
}

/** The first that is picked always fails, before anything was sent, and the next one answers. */
function failedOver(name: string): Subject {
  const pool = poolOf({ balancer: consistentHash() }, true);
  const down = new FleetError('UNAVAILABLE', 'down', { sent: false });
  const answer = of(1);
  const failure = throwError(() => down);
  const use = pool.use((_, { number }) => (number === 1 ? failure : answer), { key: 'always the same' });
  return {
    ...{ name, published: undefined },
    run(count) {
      for (let i = 0; i < count; i++) use.subscribe({ next: (value) => (sink = value) });
    },
    close: () => pool.close({ drainMs: 0 }),
  };
}

function lookups(): Subject[] {
  const made = createPool({ discovery: staticNodes(three), open: ({ id }) => id });
  const { nodes$ } = made;
  let picker = undefined as unknown as { pick(context: object): unknown };
  const picking = nodes$.pipe(roundRobin()).subscribe((next) => (picker = next));
  const close = () => {
    picking.unsubscribe();
    return made.close({ drainMs: 0 });
  };
  return [
    {
      ...{ name: 'breaker aside: three nodes, looked up', published: 206 },
      run(count) {
        for (let i = 0; i < count; i++) sink = nodes$.value.nodes;
      },
    },
    {
      ...{ name: 'breaker aside: three nodes, copied', published: 206 },
      run(count) {
        for (let i = 0; i < count; i++) sink = nodes$.value.nodes.slice();
      },
    },
    {
      ...{ name: 'breaker aside: one of three, picked', published: undefined, close },
      run(count) {
        for (let i = 0; i < count; i++) sink = picker.pick({});
      },
    },
  ];
}

/** Medians of several rounds; the rounds of all subjects alternate, so that none has the quiet moments to itself. */
export function breakerRows(quick: boolean): Row[] {
  const rounds = quick ? 5 : 11;
  const turnMs = quick ? 60 : 250;
  const failureRate = { ratio: 0.5 };
  const subjects: Subject[] = [
    allow('breaker allows, closed', 59, gateOf({})),
    allow('breaker refuses, open', 65, opened(gateOf({ perMethod: true }))),
    enterAndLeave('breaker enter and leave, closed', {}),
    enterAndLeave('breaker enter and leave, with a rate', { failureRate }),
    enterAndLeave('breaker enter and leave, per method', { perMethod: true }),
    answered('breaker left out, pool of three, answered', undefined, false),
    answered('breaker in a pool of three, answered', 1_500, true),
    failedOver('breaker in a pool of three, failed over'),
    ...lookups(),
  ];
  const counts = subjects.map((subject) => countFor(subject, turnMs));
  const results = subjects.map(() => [] as number[]);
  for (let round = -1; round < rounds; round++) {
    subjects.forEach((subject, i) => {
      const ms = cpuMs(() => subject.run(counts[i]!));
      if (round >= 0) results[i]!.push((ms * 1e6) / counts[i]!);
    });
  }
  for (const subject of subjects) subject.close?.();
  void sink;
  return subjects.map(({ name, published }, i) => {
    const value = median(results[i]!);
    return {
      ...{ name, subject: 'rxfleet' },
      against: published === undefined ? '' : `fyer-rpc ${published} ns`,
      ratio: published === undefined ? 1 : published / value,
      value: Math.round(value * 10) / 10,
      unit: 'ns',
    };
  });
}

/** What the process itself spent, so that others on the machine do not count. */
function cpuMs(work: () => void): number {
  const before = process.cpuUsage();
  work();
  return process.cpuUsage(before).user / 1_000;
}

/** So many operations as take about this long. */
function countFor(subject: Subject, ms: number): number {
  let count = 1_000;
  for (;;) {
    const took = cpuMs(() => subject.run(count));
    if (took > ms / 4) return Math.ceil((count * ms) / took);
    count *= 4;
  }
}
