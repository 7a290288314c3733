/** What a backend gets by OTLP over HTTP: everything that it needs to draw a call, and to count. */

import { OTLPMetricExporter } from '@opentelemetry/exporter-metrics-otlp-http';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { openTelemetry } from '../../../src/metrics/otel.js';
import { startTraffic } from '../prometheus/traffic.js';

interface Value {
  readonly stringValue?: string;
  readonly intValue?: number | string;
  readonly boolValue?: boolean;
}
interface KeyValue {
  readonly key: string;
  readonly value: Value;
}
interface WireSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: readonly KeyValue[];
  readonly events: readonly { readonly name: string }[];
  readonly status: { readonly code: number; readonly message?: string };
}
interface Points {
  readonly dataPoints: readonly {
    readonly attributes: readonly KeyValue[];
    readonly explicitBounds?: readonly number[];
  }[];
}
interface WireMetric {
  readonly name: string;
  readonly unit: string;
  readonly sum?: Points & { readonly isMonotonic: boolean };
  readonly gauge?: Points;
  readonly histogram?: Points;
}

/** A receiver that keeps the bodies of all requests, by their path. */
async function receiver(): Promise<{ url: string; bodies: Map<string, unknown[]>; close: () => Promise<void> }> {
  const bodies = new Map<string, unknown[]>();
  const server: Server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const path = request.url!;
      bodies.set(path, [...(bodies.get(path) ?? []), JSON.parse(Buffer.concat(chunks).toString())]);
      response.setHeader('content-type', 'application/json').end('{}');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const close = () => new Promise<void>((resolve) => server.close(() => resolve()));
  return { url: `http://127.0.0.1:${port}`, bodies, close };
}

const textOf = (attributes: readonly KeyValue[], key: string) =>
  attributes.find((attribute) => attribute.key === key)?.value.stringValue;

it('draws a call that was tried again, and counts it', async () => {
  const { url, bodies, close } = await receiver();
  const traffic = await startTraffic({ eject: [] });
  const exporter = new OTLPTraceExporter({ url: `${url}/v1/traces` });
  const tracerProvider = new BasicTracerProvider({ spanProcessors: [new BatchSpanProcessor(exporter)] });
  const reader = new PeriodicExportingMetricReader({
    exporter: new OTLPMetricExporter({ url: `${url}/v1/metrics` }),
    exportIntervalMillis: 3_600_000,
  });
  const meterProvider = new MeterProvider({ readers: [reader] });
  const telemetry = openTelemetry(traffic.fleet, { meterProvider, tracerProvider });
  await traffic.call(3);
  await tracerProvider.forceFlush();
  await meterProvider.forceFlush();
  telemetry.unsubscribe();
  await tracerProvider.shutdown();
  await meterProvider.shutdown();
  await traffic.close();
  await close();

  const traces = bodies.get('/v1/traces') as {
    resourceSpans: { scopeSpans: { scope: { name: string }; spans: WireSpan[] }[] }[];
  }[];
  const scopes = traces.flatMap(({ resourceSpans }) => resourceSpans).flatMap(({ scopeSpans }) => scopeSpans);
  expect(new Set(scopes.map(({ scope }) => scope.name))).toEqual(new Set(['rxfleet']));
  const spans = scopes.flatMap((scope) => scope.spans);
  const calls = spans.filter(({ name }) => name === 'Sent.demo.Greeter.SayHello');
  expect(calls).toHaveLength(3);
  const attempts = (call: WireSpan) => spans.filter(({ parentSpanId }) => parentSpanId === call.spanId);
  const retried = calls.find((call) => attempts(call).length === 2)!;
  expect(attempts(retried).map(({ name, kind, status }) => [name, kind, status.code])).toEqual([
    ['Attempt.demo.Greeter.SayHello', 3, 2],
    ['Attempt.demo.Greeter.SayHello', 3, 1],
  ]);
  for (const attempt of attempts(retried)) {
    expect(attempt.traceId).toBe(retried.traceId);
    expect(BigInt(attempt.startTimeUnixNano)).toBeGreaterThanOrEqual(BigInt(retried.startTimeUnixNano));
    // The SDK begins spans at whole milliseconds.
    expect(BigInt(attempt.endTimeUnixNano)).toBeLessThanOrEqual(BigInt(retried.endTimeUnixNano) + 1_000_000n);
    expect(attempt.events.map(({ name }) => name)).toContain('rxfleet.decision');
    expect(textOf(attempt.attributes, 'rxfleet.node.id')).toBeDefined();
  }

  // The first of them: the second is what has ended, at shutdown.
  const [exported] = bodies.get('/v1/metrics') as {
    resourceMetrics: { scopeMetrics: { scope: { name: string }; metrics: WireMetric[] }[] }[];
  }[];
  const metrics = exported!.resourceMetrics
    .flatMap(({ scopeMetrics }) => scopeMetrics)
    .flatMap((scope) => scope.metrics);
  const found = new Map(metrics.map((metric) => [metric.name, metric]));
  const duration = found.get('grpc.client.call.duration')!;
  expect(duration.unit).toBe('s');
  const [point] = duration.histogram!.dataPoints;
  expect(point!.explicitBounds).toHaveLength(41);
  expect(textOf(point!.attributes, 'grpc.method')).toBe('demo.Greeter/SayHello');
  expect(textOf(point!.attributes, 'grpc.status')).toBe('OK');
  expect(textOf(point!.attributes, 'grpc.target')).toBe('demo.Greeter');
  expect(found.get('grpc.client.attempt.started')!.sum!.isMonotonic).toBe(true);
  expect(found.get('rxfleet.client.nodes')!.sum!.isMonotonic).toBe(false);
  expect(found.get('rxfleet.client.panic')!.gauge!.dataPoints).toHaveLength(1);
});
