/** Spans of real calls over real connections: who is whose child, and what each says. */

import { SpanKind, SpanStatusCode } from '@opentelemetry/api';
import { firstValueFrom, lastValueFrom, type Subscription } from 'rxjs';
import { createPool, staticNodes, trace, traceIdOf, type FleetOptions, type Resume } from '../../../src/index.js';
import type { HelloReply, HelloRequest } from '../../../src/gen/demo/greeter_pb.js';
import { openTelemetry, type OpenTelemetryOptions } from '../../../src/metrics/otel.js';
import { startTraffic, type Traffic } from '../prometheus/traffic.js';
import { collected, type Collected } from './collected.js';
import { rpcAttributes, spanTable } from './tables.js';

let traffic: Traffic;
let seen: Collected;
let telemetry: Subscription;

async function begin(options: OpenTelemetryOptions = {}, fleet: Partial<FleetOptions> = {}): Promise<void> {
  traffic = await startTraffic({ eject: [], ...fleet });
  seen = collected();
  telemetry = openTelemetry(traffic.fleet, { meterProvider: false, tracerProvider: seen.tracerProvider, ...options });
}
afterEach(async () => {
  telemetry.unsubscribe();
  await traffic.close();
});

const hello = 'demo.Greeter.SayHello';
const headerOf = (server: { lastHeader(name: string): string | undefined }, name = 'traceparent') =>
  server.lastHeader(name);
const eventsOf = (name: string) => seen.span(name).events.map((event) => event.name);

describe('a call that succeeds at once', () => {
  beforeEach(async () => {
    await begin();
    traffic.servers[2]!.faults({});
    await firstValueFrom(traffic.greeter.sayHello({ name: 'Ada' }));
  });

  it('is a span with one child, by the names of A72', () => {
    const call = seen.span(spanTable.call.prefix + hello);
    const attempt = seen.span(spanTable.attempt.prefix + hello);
    expect(seen.spans()).toHaveLength(2);
    expect(call.parentSpanContext).toBeUndefined();
    expect(attempt.parentSpanContext?.spanId).toBe(call.spanContext().spanId);
    expect(attempt.spanContext().traceId).toBe(call.spanContext().traceId);
    expect([call.kind, attempt.kind]).toEqual([SpanKind.CLIENT, SpanKind.CLIENT]);
    expect([call.status, attempt.status]).toEqual([{ code: SpanStatusCode.OK }, { code: SpanStatusCode.OK }]);
  });

  it('says what the RPC conventions ask for, and which node answered', () => {
    const { attributes } = seen.span('Sent.');
    expect(Object.keys(attributes)).toEqual(expect.arrayContaining([...rpcAttributes]));
    expect(attributes).toEqual({
      'rpc.system.name': 'grpc',
      'rpc.method': 'demo.Greeter/SayHello',
      'rpc.status_code': 'OK',
      'server.address': 'demo.Greeter',
      'rxfleet.call.attempts': 1,
      'rxfleet.call.messages': 1,
      'rxfleet.node.id': expect.stringMatching(/^(a|b|bad)$/),
    });
    const attempt = seen.span('Attempt.');
    const node = traffic.fleet.nodes$.value.get(attempt.attributes['rxfleet.node.id'] as string)!;
    expect(attempt.attributes).toEqual({
      'rpc.system.name': 'grpc',
      'rpc.method': 'demo.Greeter/SayHello',
      'rpc.status_code': 'OK',
      'server.address': node.address.host,
      'server.port': node.address.port,
      'rxfleet.node.id': node.id,
      'rxfleet.attempt.reason': 'first',
      'rxfleet.attempt.messages': 1,
      'previous-rpc-attempts': 0,
      'transparent-retry': false,
    });
  });

  it('has the decision and the messages as events of the attempt', () => {
    const [, outbound, inbound] = spanTable.attempt.events;
    expect(eventsOf('Attempt.')).toEqual(['rxfleet.decision', outbound, inbound]);
    const { events, attributes } = seen.span('Attempt.');
    expect(Object.keys(attributes)).toEqual(expect.arrayContaining([...spanTable.attempt.attributes]));
    const [decision, request, answer] = events;
    expect(Object.keys(request!.attributes!)).toEqual(spanTable.attempt.messageAttributes);
    expect(Object.keys(answer!.attributes!)).toEqual(spanTable.attempt.messageAttributes);
    expect(request!.attributes!['message-size']).toBe(5);
    expect(decision!.attributes).toMatchObject({
      'rxfleet.decision.strategy': 'round_robin',
      'rxfleet.decision.chosen': seen.span('Attempt.').attributes['rxfleet.node.id'],
      'rxfleet.decision.candidates.count': 3,
      'rxfleet.decision.left_out.count': 0,
    });
    expect(answer!.attributes).toMatchObject({ 'sequence-number': 0 });
  });

  it('tells its node the context of the attempt, not that of the call', () => {
    const server = traffic.servers.find(({ calls }) => calls === 1)!;
    const { traceId, spanId } = seen.span('Attempt.').spanContext();
    expect(headerOf(server)).toBe(`00-${traceId}-${spanId}-01`);
  });
});

describe('a call that is tried again', () => {
  beforeEach(() => begin());

  it('has a span for each attempt, each with its status, and each node was told its own', async () => {
    await traffic.call(3);
    const attempts = seen.spans('Attempt.');
    const retried = seen.spans('Sent.').find(({ attributes }) => attributes['rxfleet.call.attempts'] === 2)!;
    const ofIt = attempts.filter((span) => span.parentSpanContext?.spanId === retried.spanContext().spanId);
    const summary = ofIt.map(({ attributes, status }) => [
      attributes['previous-rpc-attempts'],
      attributes['rxfleet.attempt.reason'],
      attributes['rpc.status_code'],
      status.code,
    ]);
    expect(summary).toEqual([
      [0, 'first', 'UNAVAILABLE', SpanStatusCode.ERROR],
      [1, 'retry', 'OK', SpanStatusCode.OK],
    ]);
    expect(ofIt[0]!.status.message).toBe('UNAVAILABLE, bad was told to fail');
    expect(ofIt[0]!.attributes['error.type']).toBe('UNAVAILABLE');
    expect(retried.events.map(({ name }) => name)).toEqual(['rxfleet.retry']);
    expect(retried.events[0]!.attributes).toMatchObject({
      'rxfleet.retry.reason': 'retry',
      'error.type': 'UNAVAILABLE',
    });
    const [failed] = ofIt;
    expect(headerOf(traffic.servers[2]!)).toContain(failed!.spanContext().spanId);
    expect(new Set(attempts.map((span) => span.spanContext().spanId)).size).toBe(attempts.length);
  });

  it('and fails in the end says so with the code, the node and how often it was tried', async () => {
    for (const server of traffic.servers) server.faults({ failWith: 'UNAVAILABLE' });
    const failure = await firstValueFrom(traffic.greeter.sayHello({ name: 'Ada' })).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 'UNAVAILABLE' });
    const call = seen.span('Sent.');
    expect(call.status.code).toBe(SpanStatusCode.ERROR);
    expect(call.status.message).toMatch(/^UNAVAILABLE, .* was told to fail/);
    expect(call.attributes).toMatchObject({
      'error.type': 'UNAVAILABLE',
      'rpc.status_code': 'UNAVAILABLE',
      'rxfleet.call.attempts': 3,
      'rxfleet.node.id': expect.stringMatching(/^(a|b|bad)$/),
    });
    expect(eventsOf('Sent.')).toEqual(['rxfleet.retry', 'rxfleet.retry', 'rxfleet.retry_refused']);
  });

  it('since its node was killed has the break in the one attempt, and the answer in the other', async () => {
    for (const server of traffic.servers) server.faults({ latencyMs: 100 });
    const answer = firstValueFrom(traffic.greeter.sayHello({ name: 'Ada' }));
    const busy = () => traffic.servers.find(({ active }) => active > 0);
    await vi.waitUntil(busy);
    busy()!.kill();
    await answer;
    expect(seen.spans('Attempt.').map(({ attributes }) => attributes['rpc.status_code'])).toEqual([
      'UNAVAILABLE',
      'OK',
    ]);
    expect(seen.span('Sent.').status.code).toBe(SpanStatusCode.OK);
  });
});

describe('a call that nobody can take', () => {
  it('has no attempt, and the account of who was left out', async () => {
    await begin();
    for (const id of ['a', 'b', 'bad']) {
      traffic.fleet.eject(id, { by: 'test', obstacle: 'ejected', reason: 'out', until: undefined });
    }
    await expect(firstValueFrom(traffic.greeter.sayHello({ name: 'Ada' }))).rejects.toThrow();
    expect(seen.spans('Attempt.')).toEqual([]);
    const call = seen.span('Sent.');
    expect(call.attributes).toMatchObject({ 'error.type': 'NO_NODES', 'rpc.status_code': 'UNAVAILABLE' });
    expect(call.events[0]).toMatchObject({
      name: 'rxfleet.decision',
      attributes: {
        'rxfleet.decision.candidates': [],
        'rxfleet.decision.left_out': ['a: ejected: test: out', 'b: ejected: test: out', 'bad: ejected: test: out'],
      },
    });
  });
});

describe('a call whose user leaves early', () => {
  it('is cancelled by the rules of A72, and so is its attempt', async () => {
    await begin();
    traffic.servers[2]!.faults({});
    await firstValueFrom(traffic.greeter.lotsOfReplies({ name: 'Ada', replies: 1_000 }));
    for (const span of seen.spans()) {
      expect(span.status.code).toBe(SpanStatusCode.ERROR);
      expect(span.status.message).toBe('CANCELLED');
      expect(span.attributes['error.type']).toBe('CANCELLED');
    }
    expect(seen.spans()).toHaveLength(2);
  });
});

describe('a call that is hedged', () => {
  it('says of the slower attempt that another was first', async () => {
    await begin();
    for (const server of traffic.servers) server.faults(server.name === 'b' ? {} : { hang: true });
    const options = { hedge: { delayMs: 5, maxAttempts: 3 }, failover: true };
    await firstValueFrom(traffic.greeter.sayHello({ name: 'Ada' }, options));
    await firstValueFrom(traffic.greeter.sayHello({ name: 'Ada' }, options));
    const outrun = seen.spans('Attempt.').filter(({ attributes }) => attributes['rxfleet.attempt.outrun']);
    expect(outrun.length).toBeGreaterThan(0);
    for (const { status, attributes } of outrun) {
      expect(status.message).toBe('CANCELLED, another attempt was first');
      expect(attributes['rxfleet.node.id']).not.toBe('b');
    }
    const winners = seen.spans('Attempt.').filter(({ status }) => status.code === SpanStatusCode.OK);
    expect(winners.map(({ attributes }) => attributes['rxfleet.node.id'])).toEqual(['b', 'b']);
    expect(seen.spans('Sent.').map(({ attributes }) => attributes['rxfleet.node.id'])).toEqual(['b', 'b']);
    expect(seen.spans('Attempt.').some(({ attributes }) => attributes['rxfleet.attempt.reason'] === 'hedge')).toBe(
      true,
    );
  });
});

describe('a stream', () => {
  it('has its first answers as events, as many as were asked for', async () => {
    await begin({ messageEvents: 3 });
    traffic.servers[2]!.faults({});
    await lastValueFrom(traffic.greeter.lotsOfReplies({ name: 'Ada', replies: 10 }));
    const read = seen.span('Attempt.').events.filter(({ name }) => name === 'Inbound message');
    expect(read.map(({ attributes }) => attributes!['sequence-number'])).toEqual([0, 1, 2]);
    for (const { attributes } of read) expect(attributes!['message-size']).toBeGreaterThan(5);
    expect(seen.span('Attempt.').attributes['rxfleet.attempt.messages']).toBe(10);
  });

  it('that breaks and goes on elsewhere is one call with two attempts', async () => {
    await begin();
    for (const server of traffic.servers) server.faults({ breakAfter: 2 });
    const onwards: Resume<HelloRequest, HelloReply, undefined> = {
      continuity: 'none',
      begin: () => undefined,
      see: () => undefined,
      next(request) {
        for (const server of traffic.servers) server.faults({});
        return request;
      },
    };
    const stream = traffic.greeter.lotsOfReplies({ name: 'Ada', replies: 3 }, { resume: onwards });
    await lastValueFrom(stream);
    expect(seen.spans('Attempt.').map(({ attributes }) => attributes['rxfleet.attempt.reason'])).toEqual([
      'first',
      'resume',
    ]);
    expect(eventsOf('Sent.')).toEqual(['rxfleet.resumed', 'rxfleet.retry']);
    expect(seen.span('Sent.').status.code).toBe(SpanStatusCode.OK);
  });
});

describe('methods', () => {
  it('past the limit share a name, in spans as in metrics', async () => {
    await begin({ maxMethods: 1 });
    const watching = openTelemetry(traffic.fleet, { ...seen, tracerProvider: false, maxMethods: 1 });
    traffic.servers[2]!.faults({});
    await firstValueFrom(traffic.greeter.sayHello({ name: 'Ada' }));
    await lastValueFrom(traffic.greeter.lotsOfReplies({ name: 'Ada', replies: 1 }));
    expect(seen.spans('Sent.').map(({ name }) => name)).toEqual([`Sent.${hello}`, 'Sent.other']);
    expect(seen.span('Sent.other').attributes['rpc.method']).toBe('_OTHER');
    expect(await seen.value('grpc.client.call.duration', { 'grpc.method': 'other' })).toBe(1);
    watching.unsubscribe();
  });
});

describe('trace() beside it', () => {
  it('sends the context of each attempt, too, and has the same trace in its own headers', async () => {
    await begin({}, { use: [trace({ ids: ['x-trace-id'] })] });
    const ids = new Set<string | undefined>();
    const listening = traffic.fleet.events$.subscribe((event) => {
      if (event.type === 'callEnded') ids.add(traceIdOf(event.call));
    });
    for (const server of traffic.servers) server.faults(server.name === 'b' ? {} : { failWith: 'UNAVAILABLE' });
    await firstValueFrom(traffic.greeter.sayHello({ name: 'Ada' }));
    listening.unsubscribe();
    const call = seen.span('Sent.').spanContext();
    expect(ids).toEqual(new Set([call.traceId]));
    const asked = traffic.servers.filter(({ calls }) => calls > 0);
    expect(seen.spans('Attempt.')).toHaveLength(asked.length);
    for (const server of asked) {
      const attempt = seen.spans('Attempt.').find((span) => span.attributes['rxfleet.node.id'] === server.name)!;
      expect(headerOf(server)).toBe(`00-${call.traceId}-${attempt.spanContext().spanId}-01`);
      expect(headerOf(server, 'x-trace-id')!.replaceAll('-', '')).toBe(call.traceId);
    }
  });

  it('does what it does alone where there is no tracer', async () => {
    await begin({ tracerProvider: undefined }, { use: [trace()] });
    traffic.servers[2]!.faults({});
    await firstValueFrom(traffic.greeter.sayHello({ name: 'Ada' }));
    const server = traffic.servers.find(({ calls }) => calls === 1)!;
    expect(headerOf(server)).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
  });
});

describe('the work of a pool', () => {
  it('has spans that claim to be no RPC', async () => {
    await begin();
    const pool = createPool({ discovery: staticNodes(['db-1:5432']), open: ({ id }) => id, service: 'db' });
    const watching = openTelemetry(pool, { meterProvider: false, tracerProvider: seen.tracerProvider });
    await lastValueFrom(pool.use((id) => [id]));
    expect(seen.spans().map(({ name }) => name)).toEqual(['Attempt.use', 'Sent.use']);
    expect(Object.keys(seen.span('Sent.').attributes)).not.toContain('rpc.system.name');
    expect(seen.span('Attempt.').attributes).toMatchObject({ 'server.address': 'db-1', 'server.port': 5432 });
    watching.unsubscribe();
    await pool.close();
  });
});
