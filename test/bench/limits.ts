/** Calls a second that the limiters let in, or refuse. */

import { asyncScheduler } from 'rxjs';
import { aimdLimit } from '../../src/call/aimdLimit.js';
import type { CallInfo, CallOptions } from '../../src/call/call.js';
import { concurrencyLimit } from '../../src/call/concurrencyLimit.js';
import { gradientLimit } from '../../src/call/gradientLimit.js';
import type { Entrant, Gate, GateEnd, NodeGate, Policy, PolicyPorts, RunningPolicy } from '../../src/call/policy.js';
import { rateLimit } from '../../src/call/rateLimit.js';
import { noEvents } from '../support/noEvents.js';
import { createNode } from '../../src/core/node.js';
import { NodeSet } from '../../src/core/nodeSet.js';
import { tokenBucket } from '../../src/core/tokenBucket.js';
import { median, type Row } from './measure.js';

const inFlight = 64;
const ports: PolicyPorts = {
  ...{ scheduler: asyncScheduler, random: Math.random, clock: () => performance.now(), events: noEvents },
  ...{ by: 'limiter', nodes: () => NodeSet.empty, eject: () => undefined, readmit: () => undefined },
};
const nodes = Array.from({ length: 64 }, (_, i) => createNode({ id: `node-${i}`, address: `10.0.0.${i}:50051` }));
const tenants = Array.from({ length: 256 }, (_, i) => ({ metadata: { 'x-tenant-id': `tenant-${i}` } }));
const tenant = ({ metadata }: CallInfo) => metadata?.['x-tenant-id'] as string;
const ended: GateEnd = { code: 'OK', latencyMs: 1, firstMessageMs: 1, at: 0 };
const outcome = { status: 'ok', latencyMs: 1 } as const;

function entrant(options: CallOptions = {}): Entrant {
  const call: CallInfo = {
    ...{ id: 1, name: '/bench/Call', options, startedAt: Date.now(), deadline: Date.now() + 3_600_000 },
    ...{ metadata: options.metadata, attempts: [], node: undefined, costIn: () => 1 },
  };
  return { call, admit: () => undefined, refuse: () => undefined };
}

type Turn = (count: number) => void;

/** In, and out again when 64 others have come. */
function throughGate({ gate }: RunningPolicy, calls: readonly Entrant[]): Turn {
  const open = calls.slice(0, inFlight).filter((call) => gate!.enter(call));
  return (count) => {
    for (let i = 0; i < count; i++) {
      const at = i % open.length;
      gate!.leave(open[at]!, ended);
      open[at] = calls[i % calls.length]!;
      gate!.enter(open[at]);
    }
  };
}

function throughNodeGate({ nodeGate }: RunningPolicy): Turn {
  const { call } = entrant();
  for (const node of nodes) nodeGate!.enter(node, call);
  return (count) => {
    for (let i = 0; i < count; i++) {
      const node = nodes[i & 63]!;
      (nodeGate as NodeGate).leave(node, call, outcome);
      (nodeGate as NodeGate).enter(node, call);
    }
  };
}

/** At the gate of a limiter that is full. */
function refusedBy({ gate }: RunningPolicy, before: number, options?: CallOptions): Turn {
  const call = entrant(options);
  for (let i = 0; i < before; i++) gate!.enter(entrant());
  return (count) => {
    for (let i = 0; i < count; i++) {
      try {
        (gate as Gate).enter(call);
        throw new Error('it was let in');
      } catch (thrown) {
        if (!(thrown instanceof Error) || thrown.message === 'it was let in') throw thrown;
      }
    }
  };
}

/** A call waits, and is let in by the next that leaves. */
function throughQueue({ gate }: RunningPolicy): Turn {
  const calls = Array.from({ length: 1_024 }, () => entrant());
  for (const call of calls) gate!.enter(call);
  return (count) => {
    for (let i = 0; i < count; i++) {
      const call = calls[i & 1_023]!;
      (gate as Gate).leave(call, ended);
      (gate as Gate).enter(call);
    }
  };
}

/** To be closed at the end, since calls that wait hold timers. */
const started: RunningPolicy[] = [];
const start = (policy: Policy): RunningPolicy => {
  const running = policy.start(ports);
  started.push(running);
  return running;
};
const calls = Array.from({ length: 256 }, () => entrant());
const callsOfTenants = tenants.map(entrant);
const plenty = { perSecond: 1e9 };

interface Subject {
  readonly name: string;
  readonly goal: number;
  readonly make: () => Turn;
}

const subjects: readonly Subject[] = [
  {
    name: 'token bucket take',
    goal: 20e6,
    make: () => {
      const bucket = tokenBucket(plenty);
      let now = 0;
      return (count) => {
        for (let i = 0; i < count; i++) bucket.take(1, (now += 0.001));
      };
    },
  },
  { name: 'rate limit allowed', goal: 5e6, make: () => throughGate(start(rateLimit(plenty)), calls) },
  {
    name: 'rate limit allowed, 256 tenants',
    goal: 2e6,
    make: () => throughGate(start(rateLimit({ ...plenty, per: tenant })), callsOfTenants),
  },
  {
    name: 'rate limit allowed, 64 nodes',
    goal: 2e6,
    make: () => throughNodeGate(start(rateLimit({ ...plenty, per: 'node' }))),
  },
  {
    name: 'rate limit refused',
    goal: 50e3,
    make: () => refusedBy(start(rateLimit({ perSecond: 0.001, burst: 1 })), 1),
  },
  {
    name: 'concurrency limit allowed, fixed',
    goal: 10e6,
    make: () => throughGate(start(concurrencyLimit({ max: 1_000 })), calls),
  },
  {
    name: 'concurrency limit allowed, aimd',
    goal: 5e6,
    make: () => throughGate(start(concurrencyLimit({ per: 'client', limit: aimdLimit({ initial: 1_000 }) })), calls),
  },
  {
    name: 'concurrency limit allowed, gradient',
    goal: 5e6,
    make: () => throughGate(start(concurrencyLimit({ per: 'client', limit: gradientLimit({ min: 100 }) })), calls),
  },
  {
    name: 'concurrency limit allowed, 256 tenants',
    goal: 2e6,
    make: () => throughGate(start(concurrencyLimit({ max: 1_000, per: tenant })), callsOfTenants),
  },
  {
    name: 'concurrency limit allowed, 64 nodes',
    goal: 2e6,
    make: () => throughNodeGate(start(concurrencyLimit({ max: 8, per: 'node' }))),
  },
  {
    name: 'concurrency limit waited, 1,000 in queue',
    goal: 200e3,
    make: () => throughQueue(start(concurrencyLimit({ max: 24 }))),
  },
  {
    name: 'concurrency limit refused, no queue',
    goal: 50e3,
    make: () => refusedBy(start(concurrencyLimit({ max: 1, queue: false })), 1),
  },
  {
    name: 'concurrency limit refused, 1,024 in queue',
    goal: 50e3,
    make: () => refusedBy(start(concurrencyLimit({ max: 1 })), 1_025),
  },
];

/** Medians of several rounds, of about as long a turn each; the rounds of all alternate. */
export function limitRows(quick: boolean): Row[] {
  const rounds = quick ? 5 : 9;
  const seconds = quick ? 0.05 : 0.3;
  const measured = subjects.map(({ name, goal, make }) => ({
    ...{ name, goal, turn: make(), results: [] as number[] },
    count: Math.ceil(goal * seconds),
  }));
  for (let round = -1; round < rounds; round++) {
    for (const { turn, count, results } of measured) {
      const from = performance.now();
      turn(count);
      if (round >= 0) results.push((count * 1_000) / (performance.now() - from));
    }
  }
  for (const policy of started.splice(0)) policy.close();
  return measured.map(({ name, goal, results }) => {
    const value = median(results);
    const against = `goal ${goal >= 1e6 ? `${goal / 1e6}M` : `${goal / 1e3}k`}/s`;
    return { name, subject: 'rxfleet', against, ratio: value / goal, value: Math.round(value), unit: 'calls/s' };
  });
}
