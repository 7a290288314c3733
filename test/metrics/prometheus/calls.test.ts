/** Calls, attempts and retries by the rules of gRFC A66 and A96, event by event. */

import fc from 'fast-check';
import type { FleetErrorCode, Outcome } from '../../../src/index.js';
import { grpcStatusOf } from '../../../src/core/errorCodes.js';
import { prometheusMetrics, type PrometheusMetricsOptions } from '../../../src/metrics/prometheus.js';
import { hello, node, scriptedFleet, valueOf, written } from './scriptedFleet.js';

const ok = (latencyMs: number): Outcome => ({ status: 'ok', latencyMs });
const failed = (latencyMs: number, code: FleetErrorCode = 'UNAVAILABLE'): Outcome => ({
  ...{ status: 'failed', latencyMs, code, blame: 'network' },
});

function begin(options: PrometheusMetricsOptions = {}) {
  const [a, b] = [node('a'), node('b')];
  const world = scriptedFleet('greeter', [a, b]);
  const { registry, close } = prometheusMetrics(world.fleet, options);
  const value = (name: string, labels?: Record<string, string>) => valueOf(registry, name, labels);
  return { a, b, world, registry, close, value };
}

describe('calls and attempts', () => {
  it('are counted by method, without the slash in front, by target and by status', async () => {
    const { a, world, registry } = begin();
    const call = world.begin();
    world.attempt(call, a);
    world.attemptEnds(call, a, ok(12), { sentBytes: 100, receivedBytes: 5_000 });
    world.end(call, { latencyMs: 15, firstMessageMs: 14 });
    const found = await written(registry);
    const method = 'grpc_method=demo.Greeter/SayHello';
    const labels = `${method},grpc_status=OK,grpc_target=greeter`;
    expect(found.get(`grpc_client_attempt_started_total{${method},grpc_target=greeter}`)).toBe(1);
    expect(found.get(`grpc_client_attempt_duration_seconds_sum{${labels}}`)).toBeCloseTo(0.012);
    expect(found.get(`grpc_client_call_duration_seconds_sum{${labels}}`)).toBeCloseTo(0.015);
    expect(found.get(`grpc_client_attempt_sent_total_compressed_message_size_bytes_sum{${labels}}`)).toBe(100);
    expect(found.get(`grpc_client_attempt_rcvd_total_compressed_message_size_bytes_sum{${labels}}`)).toBe(5_000);
    expect(found.get(`rxfleet_call_first_message_seconds_sum{${method},grpc_target=greeter}`)).toBeCloseTo(0.014);
    // The bucket that it falls into, and none below.
    expect(
      found.get(`grpc_client_call_duration_seconds_bucket{${method},grpc_status=OK,grpc_target=greeter,le=0.016}`),
    ).toBe(1);
    expect(
      found.get(`grpc_client_call_duration_seconds_bucket{${method},grpc_status=OK,grpc_target=greeter,le=0.013}`),
    ).toBe(0);
  });

  it('that have no sizes have none observed, rather than zeroes', async () => {
    const { a, world, registry, value } = begin();
    const call = world.begin();
    world.attempt(call, a);
    world.attemptEnds(call, a, ok(1));
    world.end(call);
    expect(await registry.metrics()).not.toMatch(/message_size_bytes_\w+\{/);
    expect(await value('grpc_client_attempt_duration_seconds_count')).toBe(1);
  });

  it('that end as only we know it have the nearest status of gRPC, and our code beside it', async () => {
    const { world, value } = begin();
    world.end(world.begin(), { code: 'NO_NODES' });
    world.end(world.begin(), { code: 'RATE_LIMITED' });
    world.end(world.begin(), { code: 'CANCELLED' });
    expect(await value('grpc_client_call_duration_seconds_count', { grpc_status: 'UNAVAILABLE' })).toBe(1);
    expect(await value('grpc_client_call_duration_seconds_count', { grpc_status: 'RESOURCE_EXHAUSTED' })).toBe(1);
    expect(await value('grpc_client_call_duration_seconds_count', { grpc_status: 'CANCELLED' })).toBe(1);
    expect(await value('rxfleet_call_errors_total', { code: 'NO_NODES' })).toBe(1);
    expect(await value('rxfleet_call_errors_total', { code: 'RATE_LIMITED' })).toBe(1);
  });

  it('count the wait for a node as a part of the attempt, as gRPC does', async () => {
    const { a, world, value } = begin();
    const call = world.begin();
    world.attempt(call, a, { waitedMs: 200 });
    world.attemptEnds(call, a, ok(50));
    world.end(call, { latencyMs: 250 });
    expect(await value('grpc_client_attempt_duration_seconds_sum')).toBeCloseTo(0.25);
  });

  it('of methods past the limit share one name, so that no caller can fill the memory', async () => {
    const { world, registry, value } = begin({ maxMethods: 2 });
    for (const name of ['/x/One', '/x/Two', '/x/Three', '/x/Four', '/x/One']) world.end(world.begin(name));
    expect(await value('grpc_client_call_duration_seconds_count', { grpc_method: 'x/One' })).toBe(2);
    expect(await value('grpc_client_call_duration_seconds_count', { grpc_method: 'other' })).toBe(2);
    const methods = new Set([...(await registry.metrics()).matchAll(/grpc_method="([^"]*)"/g)].map(([, name]) => name));
    expect(methods).toEqual(new Set(['x/One', 'x/Two', 'other']));
  });

  it('of a pool keep the names that the user gave them', async () => {
    const { world, value } = begin();
    world.end(world.begin('use'));
    expect(await value('grpc_client_call_duration_seconds_count', { grpc_method: 'use' })).toBe(1);
  });

  it('in flight are those that have begun and are not over, those before us included', async () => {
    const world = scriptedFleet();
    (world.fleet as { snapshot: unknown }).snapshot = () => ({ methods: { [hello]: { inFlight: 2 } } });
    const { registry } = prometheusMetrics(world.fleet);
    const early = { id: 0, name: hello, attempts: [] } as never;
    world.begin();
    expect(await valueOf(registry, 'rxfleet_calls_in_flight')).toBe(3);
    world.end(early);
    world.end(early);
    expect(await valueOf(registry, 'rxfleet_calls_in_flight')).toBe(1);
    // A client that is closed ends what is left without a word.
    world.close();
    expect(await valueOf(registry, 'rxfleet_calls_in_flight')).toBe(0);
  });

  it('tell the locality and the service of their node, where that is asked for', async () => {
    const world = scriptedFleet();
    const local = node('a', { region: 'eu', zone: 'eu-1', service: 'greeter' });
    const clustered = node('b', {
      metadata: { cluster: 'blue', locality: 'eu/eu-2/rack-3' },
      region: 'eu',
      zone: 'eu-2',
    });
    const { registry } = prometheusMetrics(world.fleet, {
      optionalLabels: ['grpc.lb.locality', 'grpc.lb.backend_service'],
    });
    for (const each of [local, clustered, node('c')]) {
      const call = world.begin();
      world.attempt(call, each);
      world.attemptEnds(call, each, ok(1));
      world.end(call);
    }
    const count = 'grpc_client_attempt_duration_seconds_count';
    const text = await registry.metrics();
    const lines = text.split('\n').filter((line) => line.startsWith(count));
    expect(lines.map((line) => /grpc_lb_locality="((?:[^"\\]|\\.)*)"/.exec(line)![1])).toEqual([
      '{region=\\"eu\\", zone=\\"eu-1\\", sub_zone=\\"\\"}',
      '{region=\\"eu\\", zone=\\"eu-2\\", sub_zone=\\"rack-3\\"}',
      '',
    ]);
    expect(lines.map((line) => /grpc_lb_backend_service="([^"]*)"/.exec(line)![1])).toEqual(['greeter', 'blue', '']);
  });
});

describe('retries', () => {
  it('are told once a call, at its end, each kind for itself; calls without any tell none', async () => {
    const { a, b, world, value } = begin();
    const plain = world.begin();
    world.attempt(plain, a);
    world.attemptEnds(plain, a, ok(1));
    world.end(plain);

    const call = world.begin();
    world.attempt(call, a);
    world.attemptEnds(call, a, failed(1));
    world.tell('retryScheduled', { call, attempt: 2, reason: 'transparent', delayMs: 0 });
    world.attempt(call, b, { attempt: 2, reason: 'transparent' });
    world.attempt(call, a, { attempt: 3, reason: 'hedge' });
    world.attemptEnds(call, b, failed(1), { attempt: 2 });
    world.attemptEnds(call, a, failed(1), { attempt: 3 });
    for (const attempt of [4, 5]) {
      world.tell('retryScheduled', { call, attempt, reason: 'retry', delayMs: 0 });
      world.attempt(call, b, { attempt, reason: 'retry' });
      world.attemptEnds(call, b, attempt === 5 ? ok(1) : failed(1), { attempt });
    }
    world.end(call);

    for (const [kind, count] of [
      ['retries', 2],
      ['transparent_retries', 1],
      ['hedges', 1],
    ] as const) {
      expect(await value(`grpc_client_call_${kind}_count`), kind).toBe(1);
      expect(await value(`grpc_client_call_${kind}_sum`), kind).toBe(count);
    }
    expect(await value('grpc_client_call_retry_delay_seconds_count')).toBe(2);
    expect(await value('grpc_client_attempt_started_total')).toBe(6);
  });

  it('tell how long a call had no attempt under way, be it for the backoff or for want of a node', async () => {
    const { a, b, world, value } = begin();
    const call = world.begin();
    world.attempt(call, a);
    world.at += 10;
    world.attemptEnds(call, a, failed(10));
    world.tell('retryScheduled', { call, attempt: 2, reason: 'retry', delayMs: 100 });
    world.at += 130;
    world.attempt(call, b, { attempt: 2, reason: 'retry', waitedMs: 30 });
    world.at += 5;
    world.attemptEnds(call, b, failed(5), { attempt: 2 });
    world.tell('retryScheduled', { call, attempt: 3, reason: 'retry', delayMs: 100 });
    // Its deadline comes amid the pause.
    world.at += 70;
    world.end(call, { code: 'DEADLINE_EXCEEDED', latencyMs: 215 });
    expect(await value('grpc_client_call_retry_delay_seconds_sum')).toBeCloseTo(0.2);
    // The second attempt waited 30 ms for its node.
    expect(await value('grpc_client_attempt_duration_seconds_sum', { grpc_status: 'UNAVAILABLE' })).toBeCloseTo(0.045);
  });

  it('survive a clock that goes back', async () => {
    const { a, world, value } = begin();
    const call = world.begin();
    world.attempt(call, a);
    world.attemptEnds(call, a, failed(1));
    world.tell('retryScheduled', { call, attempt: 2, reason: 'retry', delayMs: 10 });
    world.at -= 3_600_000;
    world.attempt(call, a, { attempt: 2, reason: 'retry' });
    world.attemptEnds(call, a, ok(1), { attempt: 2 });
    world.end(call);
    expect(await value('grpc_client_call_retry_delay_seconds_sum')).toBe(0);
  });

  it('are failovers when they go to a node that has not failed the call', async () => {
    const { a, b, world, value } = begin();
    const call = world.begin();
    world.attempt(call, a);
    world.attemptEnds(call, a, failed(1));
    world.attempt(call, a, { attempt: 2, reason: 'retry' });
    world.attemptEnds(call, a, failed(1), { attempt: 2 });
    world.attempt(call, b, { attempt: 3, reason: 'retry' });
    world.attempt(call, b, { attempt: 4, reason: 'hedge' });
    expect(await value('rxfleet_failovers_total')).toBe(1);
  });
});

describe('any run of calls', () => {
  /** What a call does, drawn at random. */
  const drawnCall = fc.record({
    method: fc.constantFrom('/x/One', '/x/Two'),
    code: fc.constantFrom<FleetErrorCode | 'OK'>('OK', 'UNAVAILABLE', 'NO_NODES', 'CANCELLED', 'INTERNAL'),
    latencyMs: fc.double({ min: 0, max: 200_000, noNaN: true }),
    attempts: fc.array(
      fc.record({
        status: fc.constantFrom<Outcome['status']>('ok', 'failed', 'cancelled'),
        code: fc.constantFrom<FleetErrorCode>('UNAVAILABLE', 'INTERNAL', 'BAD_RESPONSE'),
        latencyMs: fc.double({ min: 0, max: 200_000, noNaN: true }),
        reason: fc.constantFrom('retry', 'transparent', 'hedge', 'resume'),
      }),
      { maxLength: 4 },
    ),
  });

  it('adds up to what a plain count of it says', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(drawnCall, { maxLength: 30 }), async (calls) => {
        const { a, world, registry, close } = begin();
        const expected = new Map<string, number>();
        const add = (key: string, value: number) => expected.set(key, (expected.get(key) ?? 0) + value);
        for (const { method, code, latencyMs, attempts } of calls) {
          const grpc_method = method.slice(1);
          const call = world.begin(method);
          let retries = 0;
          attempts.forEach((each, i) => {
            const reason = i === 0 ? 'first' : each.reason;
            if (reason === 'retry') retries++;
            if (i > 0 && reason !== 'hedge') world.tell('retryScheduled', { call, attempt: i + 1, reason, delayMs: 0 });
            world.attempt(call, a, { attempt: i + 1, reason });
            const outcome: Outcome = { ...each, blame: 'node' };
            world.attemptEnds(call, a, outcome, { attempt: i + 1 });
            const status =
              each.status === 'ok' ? 'OK' : each.status === 'cancelled' ? 'CANCELLED' : grpcStatusOf(each.code);
            add(`grpc_client_attempt_started_total ${grpc_method}`, 1);
            add(`grpc_client_attempt_duration_seconds_count ${grpc_method} ${status}`, 1);
          });
          world.end(call, { code, latencyMs });
          add(`grpc_client_call_duration_seconds_count ${grpc_method} ${grpcStatusOf(code)}`, 1);
          add(`grpc_client_call_retry_delay_seconds_count ${grpc_method}`, 1);
          if (retries > 0) add(`grpc_client_call_retries_sum ${grpc_method}`, retries);
        }
        const watched = new Set([...expected.keys()].map((key) => key.split(' ')[0]!));
        const found = [...(await written(registry))].flatMap(([series, value]) => {
          const [, name, labels = ''] = /^(\w+)(?:\{(.*)\})?$/.exec(series)!;
          const of = (label: string) => new RegExp(`(?:^|,)${label}=([^,]*)`).exec(labels)?.[1];
          return watched.has(name!)
            ? [[[name, of('grpc_method'), of('grpc_status')].filter(Boolean).join(' '), value] as const]
            : [];
        });
        // Series are made when a method is first seen, also those that stay at 0.
        expect(new Map(found.filter(([, value]) => value !== 0))).toEqual(expected);
        await close();
      }),
      { numRuns: 60 },
    );
  });
});
