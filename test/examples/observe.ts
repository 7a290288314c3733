/** See everything that a fleet does, and pay only for what is watched. */
import { MeterProvider } from '@opentelemetry/sdk-metrics';
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { firstValueFrom, lastValueFrom, mergeMap, range, sampleTime, take } from 'rxjs';
import { createClient, createFleet, staticNodes } from 'rxfleet';
import { openTelemetry } from 'rxfleet/metrics/otel';
import { servePrometheus } from 'rxfleet/metrics/prometheus';
import { grpcTransport } from 'rxfleet/transport/grpc';
import { Greeter } from '../../src/gen/demo/greeter_pb.js';

const spans = new InMemorySpanExporter();
const tracerProvider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spans)] });
const meterProvider = new MeterProvider();
const addresses = [...process.env.RXFLEET_NODES!.split(','), '127.0.0.1:1'];

//#region example
await using fleet = createFleet({
  service: 'demo.Greeter',
  discovery: staticNodes(addresses),
  transport: grpcTransport(),
});
const greeter = createClient(fleet, Greeter);

// Why this node, and why not the others.
fleet.decisions$.pipe(take(1)).subscribe(({ chosen, leftOut }) => {
  console.log('chosen', chosen?.id, 'left out', ...leftOut.map(({ node, reason }) => `${node}: ${reason}`));
});
fleet.metrics$.pipe(sampleTime(100), take(1)).subscribe(({ calls }) => {
  console.log(`${(100 * calls.successRate).toFixed(0)} % succeeded, ${calls.throughputPerSecond.toFixed(0)} a second`);
});
openTelemetry(fleet, { meterProvider, tracerProvider }); // a span for each call and each of its attempts
await using prometheus = await servePrometheus(fleet, { port: 0 }); // gRPC's own names; preset: 'seeds' for those of before

await lastValueFrom(range(0, 100).pipe(mergeMap(() => greeter.sayHello({ name: 'Ada' }), 8)));
const page = await (await fetch(prometheus.url)).text();
console.log(page.match(/^grpc_client_call_duration_seconds_count.*/m)?.[0]);

// Who would get a call now, and why not the others: as `rxfleet explain` shows it.
console.log(fleet.explain().candidates.length, 'could take a call');
//#endregion
await firstValueFrom(fleet.metrics$.pipe(sampleTime(150)));
console.log(spans.getFinishedSpans().length, 'spans');
