/**
 * What everything around a call costs: in microseconds a call on one core, against an in-process transport that answers at
 * once.
 */

import { BehaviorSubject } from 'rxjs';
import {
  circuitBreaker,
  concurrencyLimit,
  consecutiveFailures,
  createClient,
  createFleet,
  methodOf,
  outlierDetection,
  peakEwma,
  rateLimit,
  rpc,
  staticNodes,
  type FleetOptions,
  type RpcOptions,
} from '../../src/index.js';
import type { CallSink, CallStatus, Channel, ConnectivityState } from '../../src/core/channel.js';
import { Greeter, type HelloReply } from '../../src/gen/demo/greeter_pb.js';
import { median, type Row } from './measure.js';

/** Calls in flight at once: they are begun together, and then answered together. */
const inFlight = 64;

export interface Wire {
  readonly channel: () => Channel;
  /** Answers everything that was asked. */
  readonly flush: () => void;
}

export function wire(): Wire {
  const asked: CallSink<unknown>[] = [];
  const reply = { message: 'hello' } as HelloReply;
  const ok: CallStatus = { code: 'OK', message: '', sent: true, trailers: {} };
  const headers = {};
  return {
    channel: () => ({
      state$: new BehaviorSubject<ConnectivityState>('READY'),
      state: 'READY',
      connect: () => undefined,
      close: () => undefined,
      start: (_method, _context, sink) => {
        asked.push(sink);
        return {
          send: () => true,
          halfClose: () => undefined,
          request: () => undefined,
          cancel: () => undefined,
        };
      },
    }),
    flush() {
      for (const sink of asked) {
        sink.headers(headers);
        sink.message(reply);
        sink.end(ok);
      }
      asked.length = 0;
    },
  };
}

/** All that one may turn on for gRPC calls that are short and many, but middlewares, which wrap each call. */
const everyPolicy: Partial<FleetOptions> = {
  balancer: peakEwma(),
  eject: [outlierDetection(), consecutiveFailures()],
  use: [circuitBreaker(), concurrencyLimit({ max: 10_000 }), rateLimit({ perSecond: 1e9 })],
};

interface Subject {
  readonly name: string;
  /** The most that it may add, in microseconds. */
  readonly goal?: number | undefined;
  /** Begins one call. */
  readonly call: () => void;
  readonly flush: () => void;
  readonly end: () => Promise<void>;
}

function subjects(): readonly [off: Subject, ...on: Subject[]] {
  const observer = {
    next: () => undefined,
    error: (error: unknown) => {
      throw error;
    },
    complete: () => undefined,
  };
  const bare = wire();
  const channel = bare.channel();
  const method = methodOf(Greeter.method.sayHello);
  const request = method.message({ name: 'Ada' });
  const fleetOf = (name: string, options: Partial<FleetOptions>, calls?: RpcOptions, observed = false): Subject => {
    const { channel: open, flush } = wire();
    const fleet = createFleet({
      discovery: staticNodes(['10.0.0.1:1', '10.0.0.2:1', '10.0.0.3:1']),
      transport: { name: 'in-process', open },
      ...options,
    });
    const greeter = createClient(fleet, Greeter);
    if (observed) fleet.decisions$.subscribe();
    return {
      name,
      goal: 2,
      call: calls
        ? () => void greeter.sayHello(request, calls).subscribe(observer)
        : () => void greeter.sayHello(request).subscribe(observer),
      flush,
      end: () => fleet.close({ drainMs: 0 }),
    };
  };
  return [
    {
      name: 'a channel alone',
      call: () => void rpc(channel, method, request).subscribe(observer),
      flush: bare.flush,
      end: () => Promise.resolve(),
    },
    fleetOf('as it is by default', {}),
    fleetOf('with every policy', everyPolicy),
    { ...fleetOf('with decisions$ observed', {}, undefined, true), goal: undefined },
  ];
}

/** Microseconds a call. */
function cost({ call, flush }: Subject, calls: number): number {
  const start = performance.now();
  for (let i = 0; i < calls; i += inFlight) {
    for (let j = 0; j < inFlight; j++) call();
    flush();
  }
  return ((performance.now() - start) * 1_000) / calls;
}

/** What each adds to a channel alone: medians of rounds in which they take turns. */
export async function pipelineRows(quick: boolean): Promise<Row[]> {
  const [off, ...on] = subjects();
  const calls = quick ? 64_000 : 256_000;
  const rounds = quick ? 9 : 15;
  const added = new Map<string, number[]>(on.map(({ name }) => [name, []]));
  for (const subject of [off, ...on]) cost(subject, calls);
  for (let round = 0; round < rounds; round++) {
    const floor = cost(off, calls);
    for (const subject of on) added.get(subject.name)!.push(cost(subject, calls) - floor);
  }
  for (const subject of [off, ...on]) await subject.end();
  return on.map(({ name, goal }) => {
    const value = median(added.get(name)!);
    return {
      name: `pipeline overhead, ${name}`,
      subject: 'rxfleet',
      against: goal ? `goal ${goal} µs` : '',
      ratio: goal ? goal / value : 1,
      value,
      unit: 'µs/call',
    };
  });
}
