/** What it costs to have metrics: calls over channels within the process, so that nothing else is measured. */

import { Counter, Histogram, Registry } from 'prom-client';
import { BehaviorSubject } from 'rxjs';
import type { ActiveCall, CallSink, CallStatus, Channel, ConnectivityState } from '../../src/core/channel.js';
import { Greeter } from '../../src/gen/demo/greeter_pb.js';
import { createClient, createFleet, methodOf, staticNodes, type Fleet } from '../../src/index.js';
import { prometheusMetrics } from '../../src/metrics/prometheus.js';
import { latencyBuckets } from '../../src/metrics/grpcMetrics.js';
import { MetricScope } from '../../src/metrics/prometheus/metricScope.js';
import { compare, takeTurns, type Contender, type Row } from './measure.js';

const inFlight = 64;
const none = {};
const done: CallStatus = { code: 'OK', message: '', sent: true, trailers: {}, sentBytes: 16, receivedBytes: 16 };

/** Calls and counts, each with metrics against without. */
export async function metricRows(quick: boolean): Promise<Row[]> {
  const effort = quick ? { rounds: 7, turnMs: 150, warmUpMs: 500 } : { rounds: 15, turnMs: 400, warmUpMs: 1_000 };
  const plain = calls('without metrics', () => undefined);
  const others = [
    calls('events$ alone', (fleet) => fleet.events$.subscribe(() => undefined)),
    calls('prometheusMetrics', (fleet) => prometheusMetrics(fleet)),
    calls("the seeds' names", (fleet) => prometheusMetrics(fleet, { preset: 'seeds' })),
  ];
  const called = await takeTurns([plain, ...others], effort);
  const counted = await takeTurns([ours(), theirs()], effort);
  await Promise.all([plain, ...others].map(({ fleet }) => fleet.close({ drainMs: 0 })));
  return [
    ...others.map(({ name }) => compare('metrics call', 'calls/s', called, name, plain.name)),
    compare('metrics count', 'calls/s', counted, 'rxfleet', 'prom-client'),
  ];
}

function calls(name: string, attach: (fleet: Fleet) => unknown): Contender & { readonly fleet: Fleet } {
  const waiting: CallSink<unknown>[] = [];
  const answer = methodOf(Greeter.method.sayHello).message({ name: 'Ada' });
  const fleet = createFleet({
    discovery: staticNodes(['10.0.0.1:1', '10.0.0.2:1', '10.0.0.3:1']),
    transport: { name: 'within', open: () => new Within(waiting) },
  });
  attach(fleet);
  const greeter = createClient(fleet, Greeter);
  const observer = { next: () => undefined, error: (error: unknown) => Promise.reject(error) };
  return {
    name,
    fleet,
    turn: async (ms) =>
      perSecond(ms, inFlight, () => {
        for (let i = 0; i < inFlight; i++) greeter.sayHello(answer).subscribe(observer);
        for (let i = 0; i < waiting.length; i++) {
          const sink = waiting[i]!;
          sink.headers(none);
          sink.message(answer);
          sink.end(done);
        }
        waiting.length = 0;
      }),
  };
}

const nothing = () => undefined;
const open: ActiveCall<never> = { send: () => true, halfClose: nothing, request: nothing, cancel: nothing };

/** Its calls wait until somebody answers them. */
class Within implements Channel {
  readonly state$ = new BehaviorSubject<ConnectivityState>('READY');
  readonly state = 'READY';
  readonly connect = nothing;
  readonly close = nothing;

  constructor(private readonly waiting: CallSink<unknown>[]) {}

  start<I, O>(_method: unknown, _context: unknown, sink: CallSink<O>): ActiveCall<I> {
    this.waiting.push(sink as CallSink<unknown>);
    return open as ActiveCall<I>;
  }
}

const labels = { grpc_method: 'demo.Greeter/SayHello', grpc_target: 'greeter', grpc_status: 'OK' };
const labelNames = Object.keys(labels);
/** What a call counts by gRFC A66: one attempt that began, and four histograms. */
const histograms = ['attempt', 'sent', 'received', 'call'];

function ours(): Contender {
  const scope = new MetricScope(new Registry(), { prefix: '', labels: {} });
  const help = 'Of the bench.';
  const started = scope.metric({ name: 'started', type: 'counter', help, labels: labelNames }).scalar(labels);
  const spreads = histograms.map((name) =>
    scope.metric({ name, type: 'histogram', help, labels: labelNames, buckets: latencyBuckets }).histogram(labels),
  );
  return counting('rxfleet', (seconds) => {
    started.value++;
    for (const spread of spreads) spread.observe(seconds);
  });
}

/** With the labels in one object, and the series looked up once, as its docs advise. */
function theirs(): Contender {
  const registers = [new Registry()];
  const help = 'Of the bench.';
  const started = new Counter({ name: 'started', help, labelNames, registers }).labels(labels);
  const spreads = histograms.map((name) =>
    new Histogram({ name, help, labelNames, buckets: [...latencyBuckets], registers }).labels(labels),
  );
  return counting('prom-client', (seconds) => {
    started.inc();
    for (const spread of spreads) spread.observe(seconds);
  });
}

function counting(name: string, count: (seconds: number) => void): Contender {
  return {
    name,
    turn: async (ms) =>
      perSecond(ms, 1_000, () => {
        for (let i = 0; i < 1_000; i++) count(i / 10_000);
      }),
  };
}

function perSecond(ms: number, units: number, work: () => void): number {
  const begun = performance.now();
  let total = 0;
  let elapsed = 0;
  while (elapsed < ms) {
    work();
    total += units;
    elapsed = performance.now() - begun;
  }
  return (total / elapsed) * 1_000;
}
