/** What OpenTelemetry adds to a call, in microseconds on one core, over a transport that answers at once. */

import { MeterProvider, MetricReader } from '@opentelemetry/sdk-metrics';
import {
  AlwaysOffSampler,
  BasicTracerProvider,
  BatchSpanProcessor,
  type Sampler,
  type SpanExporter,
} from '@opentelemetry/sdk-trace-base';
import { Greeter } from '../../src/gen/demo/greeter_pb.js';
import { createClient, createFleet, methodOf, staticNodes, type Fleet } from '../../src/index.js';
import { openTelemetry, type OpenTelemetryOptions } from '../../src/metrics/otel.js';
import { median, type Row } from './measure.js';
import { wire } from './pipeline.js';

/** Calls in flight at once: they are begun together, and then answered together. */
const inFlight = 64;

interface Subject {
  readonly name: string;
  readonly call: () => void;
  readonly flush: () => void;
  readonly end: () => Promise<void>;
}

function subject(name: string, attach: (fleet: Fleet) => unknown): Subject {
  const { channel: open, flush } = wire();
  const fleet = createFleet({
    discovery: staticNodes(['10.0.0.1:1', '10.0.0.2:1', '10.0.0.3:1']),
    transport: { name: 'in-process', open },
  });
  attach(fleet);
  const greeter = createClient(fleet, Greeter);
  const request = methodOf(Greeter.method.sayHello).message({ name: 'Ada' });
  const observer = { next: () => undefined, error: (error: unknown) => Promise.reject(error) };
  return {
    name,
    flush,
    call: () => void greeter.sayHello(request).subscribe(observer),
    end: () => fleet.close({ drainMs: 0 }),
  };
}

class Unread extends MetricReader {
  protected override onShutdown = () => Promise.resolve();
  protected override onForceFlush = () => Promise.resolve();
}
const nowhere: SpanExporter = { export: (_, done) => done({ code: 0 }), shutdown: () => Promise.resolve() };

const telling = (name: string, options: () => OpenTelemetryOptions) =>
  subject(name, (fleet) => openTelemetry(fleet, { tracerProvider: false, meterProvider: false, ...options() }));
const meterProvider = () => new MeterProvider({ readers: [new Unread()] });
const tracerProvider = (sampler?: Sampler) =>
  new BasicTracerProvider({ spanProcessors: [new BatchSpanProcessor(nowhere)], ...(sampler && { sampler }) });

function subjects(): readonly [off: Subject, ...on: Subject[]] {
  return [
    subject('without telemetry', () => undefined),
    subject('events$ alone', (fleet) => fleet.events$.subscribe(() => undefined)),
    telling('metrics', () => ({ meterProvider: meterProvider() })),
    telling('all metrics', () => ({ meterProvider: meterProvider(), enableMetrics: ['*'] })),
    telling('spans, no SDK', () => ({ tracerProvider: undefined })),
    telling('spans, none sampled', () => ({ tracerProvider: tracerProvider(new AlwaysOffSampler()) })),
    telling('spans', () => ({ tracerProvider: tracerProvider() })),
    telling('spans without decisions', () => ({ tracerProvider: tracerProvider(), decisionsUpTo: 0 })),
    telling('metrics and spans', () => ({ meterProvider: meterProvider(), tracerProvider: tracerProvider() })),
  ];
}

/** Microseconds a call. Lets what was collected be handed on in between, as a server at work does. */
async function cost({ call, flush }: Subject, calls: number): Promise<number> {
  let spent = 0;
  for (let i = 0; i < calls; i += inFlight) {
    const start = performance.now();
    for (let j = 0; j < inFlight; j++) call();
    flush();
    spent += performance.now() - start;
    if (i % 512 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  return (spent * 1_000) / calls;
}

/** What each adds to a call without telemetry: medians of rounds in which they take turns. */
export async function telemetryRows(quick: boolean): Promise<Row[]> {
  const [off, ...on] = subjects();
  const calls = quick ? 19_200 : 64_000;
  const rounds = quick ? 5 : 15;
  const added = new Map<string, number[]>(on.map(({ name }) => [name, []]));
  const ratios = new Map<string, number[]>(on.map(({ name }) => [name, []]));
  for (const each of [off, ...on]) await cost(each, calls);
  for (let round = 0; round < rounds; round++) {
    const floor = await cost(off, calls);
    for (const each of on) {
      const spent = await cost(each, calls);
      added.get(each.name)!.push(spent - floor);
      ratios.get(each.name)!.push(floor / spent);
    }
  }
  for (const each of [off, ...on]) await each.end();
  return on.map(({ name }) => ({
    name: 'telemetry, added to a call',
    subject: name,
    against: off.name,
    ratio: median(ratios.get(name)!),
    value: median(added.get(name)!),
    unit: 'µs/call',
  }));
}
