/** What goes wrong around telemetry, and what goes wrong with calls under it: no call fails by it, no span stays open. */

import { diag, DiagLogLevel, SpanStatusCode } from '@opentelemetry/api';
import { SimpleSpanProcessor, type SpanExporter, type SpanProcessor } from '@opentelemetry/sdk-trace-base';
import { firstValueFrom, type Subscription } from 'rxjs';
import { openTelemetry, type OpenTelemetryOptions } from '../../../src/metrics/otel.js';
import { seededRandom } from '../../../src/testing/seededRandom.js';
import { startTraffic, type Traffic } from '../prometheus/traffic.js';
import { collected, type Collected } from './collected.js';

/** Counts spans that were begun and are not over. */
class Open implements SpanProcessor {
  count = 0;
  onStart = () => void this.count++;
  onEnd = () => void this.count--;
  forceFlush = () => Promise.resolve();
  shutdown = () => Promise.resolve();
}

let traffic: Traffic;
let open: Open;
let seen: Collected;
const running: Subscription[] = [];

beforeEach(async () => {
  traffic = await startTraffic({ eject: [] });
  for (const server of traffic.servers) server.faults({});
  open = new Open();
  seen = collected({ spanProcessors: [open] });
});
afterEach(async () => {
  for (const telemetry of running.splice(0)) telemetry.unsubscribe();
  await traffic.close();
  diag.disable();
});

function begin(options: OpenTelemetryOptions = {}): Subscription {
  const { meterProvider, tracerProvider } = seen;
  const telemetry = openTelemetry(traffic.fleet, { meterProvider, tracerProvider, enableMetrics: ['*'], ...options });
  running.push(telemetry);
  return telemetry;
}
const greet = () => firstValueFrom(traffic.greeter.sayHello({ name: 'Ada' }));
/** Calls that nobody answers. */
async function hang(count: number): Promise<void> {
  for (const server of traffic.servers) server.faults({ hang: true });
  for (let i = 0; i < count; i++) traffic.greeter.sayHello({ name: 'Ada' }).subscribe({ error: () => undefined });
  await vi.waitUntil(() => traffic.servers.reduce((sum, { active }) => sum + active, 0) === count);
}

describe('a broken SDK', () => {
  it('whose exporter throws costs no call', async () => {
    const exporter: SpanExporter = {
      export() {
        throw new Error('disk full');
      },
      shutdown: () => Promise.resolve(),
    };
    seen = collected({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
    begin();
    expect((await greet()).message).toBe('Hello, Ada');
  });

  it.each(['onStart', 'onEnd'] as const)('whose processor throws in %s costs no call, and says so', async (where) => {
    const told: unknown[] = [];
    const log = (...args: unknown[]) => void told.push(args);
    diag.setLogger({ error: log, warn: log, info: log, debug: log, verbose: log }, DiagLogLevel.ERROR);
    const broken = new Open();
    broken[where] = () => {
      throw new Error('broken');
    };
    seen = collected({ spanProcessors: [broken] });
    begin();
    expect((await greet()).message).toBe('Hello, Ada');
    expect(told).toContainEqual(['rxfleet: telemetry was lost', expect.objectContaining({ message: 'broken' })]);
    // Metrics are another matter.
    expect(await seen.value('grpc.client.call.duration')).toBe(1);
  });

  it('whose propagator throws costs no call', async () => {
    const propagator = {
      fields: () => ['x'],
      extract: (ambient: never) => ambient,
      inject() {
        throw new Error('broken');
      },
    };
    begin({ propagator });
    expect((await greet()).message).toBe('Hello, Ada');
    expect(open.count).toBe(0);
  });

  it('that is shut down under way costs no call', async () => {
    begin();
    for (const server of traffic.servers) server.faults({ latencyMs: 20 });
    const answer = greet();
    await seen.tracerProvider.shutdown();
    await seen.meterProvider.shutdown();
    expect((await answer).message).toBe('Hello, Ada');
    expect((await greet()).message).toBe('Hello, Ada');
  });
});

describe('a processor', () => {
  it('that makes a call of its own when a span begins is a call like any other', async () => {
    let own: Promise<unknown> | undefined;
    let called = false;
    const calling = new Open();
    calling.onStart = () => {
      calling.count++;
      if (called) return;
      called = true;
      own = greet();
    };
    seen = collected({ spanProcessors: [calling] });
    begin();
    await greet();
    await own;
    expect(calling.count).toBe(0);
    expect(seen.spans().map(({ name }) => name.slice(0, 4))).toHaveLength(4);
    for (const attempt of seen.spans('Attempt.')) {
      expect(attempt.parentSpanContext?.traceId).toBe(attempt.spanContext().traceId);
    }
    expect(new Set(seen.spans('Sent.').map((span) => span.spanContext().traceId)).size).toBe(2);
  });
});

describe('calls in flight', () => {
  it('when the fleet closes are over as spans, and counted as over', async () => {
    begin();
    await hang(5);
    expect(open.count).toBe(10);
    expect(await seen.value('rxfleet.client.call.active')).toBe(5);
    await traffic.fleet.close({ drainMs: 0 });
    await vi.waitUntil(() => open.count === 0);
    expect(seen.spans('Sent.')).toHaveLength(5);
    for (const { status } of seen.spans()) expect(status.code).toBe(SpanStatusCode.ERROR);
    expect(await seen.value('rxfleet.client.call.active')).toBe(0);
    expect(await seen.value('grpc.subchannel.open_connections')).toBe(0);
    expect(await seen.value('rxfleet.client.nodes')).toBe(0);
    expect(running[0]!.closed).toBe(true);
  });

  it('when telemetry ends are over as spans, without a verdict on them', async () => {
    const telemetry = begin();
    await hang(3);
    telemetry.unsubscribe();
    expect(open.count).toBe(0);
    for (const { status } of seen.spans()) expect(status.code).toBe(SpanStatusCode.UNSET);
    expect(seen.spans('Sent.')[0]!.events.at(-1)!.name).toBe('rxfleet.unwatched');
    expect(await seen.value('rxfleet.client.call.active')).toBe(0);
    expect(await seen.value('rxfleet.client.nodes')).toBe(0);
    expect(traffic.servers.reduce((sum, { active }) => sum + active, 0)).toBe(3);
  });

  it('when telemetry begins are counted as active, and have no spans', async () => {
    await hang(2);
    begin();
    expect(await seen.value('rxfleet.client.call.active')).toBe(2);
    for (const server of traffic.servers) server.kill();
    await vi.waitUntil(async () => (await seen.value('rxfleet.client.call.active')) === 0);
    expect(open.count).toBe(0);
  });
});

describe('a storm', () => {
  it('of failures, hedges, breaks and users who leave has a span for each call and attempt, and each ends', async () => {
    const seed = Date.now() % 1_000_000;
    const random = seededRandom(seed);
    const complaints: unknown[] = [];
    const complain = (...args: unknown[]) => void complaints.push(args);
    diag.setLogger(
      { error: complain, warn: complain, info: complain, debug: complain, verbose: complain },
      DiagLogLevel.WARN,
    );
    const telemetry = begin({ decisionsUpTo: Infinity });
    const started: string[] = [];
    const listening = traffic.fleet.events$.subscribe(({ type }) => started.push(type));
    const shuffle = () => {
      for (const server of traffic.servers) {
        const dice = random();
        if (dice < 0.2) server.faults({ failWith: 'UNAVAILABLE', failEvery: 2 });
        else if (dice < 0.4) server.faults({ latencyMs: 3 });
        else if (dice < 0.5) server.faults({ breakAfter: 0 });
        else server.faults({});
      }
    };
    const one = (i: number) =>
      new Promise<void>((resolve) => {
        if (i % 20 === 0) shuffle();
        const options = { failover: true, ...(random() < 0.3 && { hedge: { delayMs: 1, maxAttempts: 3 } }) };
        const { greeter } = traffic;
        const call =
          random() < 0.5 ? greeter.sayHello({ name: 'Ada' }, options) : greeter.lotsOfReplies({ name: 'Ada' });
        const running = call.subscribe({ error: () => resolve(), complete: () => resolve() });
        if (random() < 0.2) setImmediate(() => (running.unsubscribe(), resolve()));
      });
    for (let i = 0; i < 300; i += 30) await Promise.all(Array.from({ length: 30 }, (_, j) => one(i + j)));
    listening.unsubscribe();
    const count = (type: string) => started.filter((each) => each === type).length;
    expect(open.count, `seed ${seed}`).toBe(0);
    expect(seen.spans('Sent.').length, `seed ${seed}`).toBe(300);
    expect(seen.spans('Attempt.').length, `seed ${seed}`).toBe(count('attemptStarted'));
    expect(await seen.value('grpc.client.attempt.started')).toBe(count('attemptStarted'));
    expect(await seen.value('grpc.client.attempt.duration')).toBe(count('attemptEnded'));
    expect(await seen.value('grpc.client.call.duration')).toBe(300);
    expect(await seen.value('rxfleet.client.call.active')).toBe(0);
    const calls = new Set(seen.spans('Sent.').map((span) => span.spanContext().spanId));
    for (const attempt of seen.spans('Attempt.')) expect(calls.has(attempt.parentSpanContext!.spanId)).toBe(true);
    // The SDK complains of whoever touches a span that is over.
    telemetry.unsubscribe();
    expect(complaints).toEqual([]);
  });
});

describe('many', () => {
  it('fleets on one provider are told apart by their target', async () => {
    const other = await startTraffic({ eject: [], service: 'other' });
    for (const server of other.servers) server.faults({});
    begin();
    running.push(openTelemetry(other.fleet, seen));
    await greet();
    await other.call(2);
    expect(await seen.value('grpc.client.call.duration', { 'grpc.target': 'demo.Greeter' })).toBe(1);
    expect(await seen.value('grpc.client.call.duration', { 'grpc.target': 'other' })).toBe(2);
    expect(await seen.value('rxfleet.client.nodes', { 'grpc.target': 'other', 'rxfleet.node.state': 'routable' })).toBe(
      3,
    );
    await other.close();
  });

  it('fleets one after the other have the nodes of the one that lives, though the other ends later', async () => {
    const first = begin();
    const nodes = () => seen.value('rxfleet.client.nodes', { 'rxfleet.node.state': 'routable' });
    expect(await nodes()).toBe(3);
    const second = begin();
    first.unsubscribe();
    expect(await nodes()).toBe(3);
    second.unsubscribe();
    expect(await nodes()).toBe(0);
    expect(await nodes()).toBe(0);
    begin();
    expect(await nodes()).toBe(3);
  });

  it('times the same fleet is told as many times, and each ends by itself', async () => {
    const first = begin();
    begin();
    await greet();
    expect(seen.spans('Sent.')).toHaveLength(2);
    expect(await seen.value('grpc.client.call.duration')).toBe(2);
    first.unsubscribe();
    await greet();
    expect(seen.spans('Sent.')).toHaveLength(3);
    expect(await seen.value('rxfleet.client.nodes', { 'rxfleet.node.state': 'routable' })).toBe(3);
    expect(open.count).toBe(0);
  });
});

describe('a fleet', () => {
  it('has its retries and connections counted where that was asked for', async () => {
    traffic.servers[2]!.faults({ failWith: 'UNAVAILABLE' });
    begin();
    await traffic.call(9);
    const { value, sum } = seen;
    expect(await value('grpc.client.call.duration', { 'grpc.status': 'OK' })).toBe(9);
    const failed = traffic.servers[2]!.calls;
    expect(failed).toBeGreaterThan(1);
    expect(await value('grpc.client.attempt.duration', { 'grpc.status': 'UNAVAILABLE' })).toBe(failed);
    expect(await value('grpc.client.attempt.started', { 'grpc.method': 'demo.Greeter/SayHello' })).toBe(9 + failed);
    expect(await sum('grpc.client.call.retries')).toBe(failed);
    expect(await value('grpc.client.call.retry_delay')).toBe(9);
    expect(await sum('grpc.client.call.retry_delay')).toBeGreaterThan(0);
    expect(await value('grpc.subchannel.open_connections')).toBe(3);
    expect(await value('rxfleet.client.call.failovers')).toBe(failed);
    traffic.servers[0]!.kill();
    await vi.waitUntil(async () => (await value('grpc.subchannel.disconnections')) === 1);
  });

  it('that has closed already ends it at once', async () => {
    await traffic.fleet.close({ drainMs: 0 });
    expect(begin().closed).toBe(true);
  });

  it('is not even listened to where there are no providers', () => {
    expect(begin({ meterProvider: false, tracerProvider: false }).closed).toBe(true);
    // No SDK has set up the global one.
    expect(begin({ meterProvider: undefined, tracerProvider: false }).closed).toBe(true);
  });
});
