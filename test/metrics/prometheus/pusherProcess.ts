/**
 * A program that makes calls and pushes its metrics: `pusherProcess.ts GATEWAY JOB NODE INTERVAL_MS`. It says `pushed` after each push,
 * `failed CODE` after each that failed; on SIGTERM it makes one more call, closes the fleet and ends by itself.
 */

import { createInterface } from 'node:readline';
import { firstValueFrom } from 'rxjs';
import { createClient, createFleet, staticNodes } from '../../../src/index.js';
import { Greeter } from '../../../src/gen/demo/greeter_pb.js';
import { prometheusMetrics, pushPrometheus } from '../../../src/metrics/prometheus.js';
import { grpcTransport } from '../../../src/transport/grpc.js';

const [url, job, node, intervalMs] = process.argv.slice(2) as [string, string, string, string];
const fleet = createFleet({ service: 'demo.Greeter', discovery: staticNodes([node]), transport: grpcTransport() });
const greeter = createClient(fleet, Greeter);
const call = () => firstValueFrom(greeter.sayHello({ name: 'Ada' }));

const metrics = prometheusMetrics(fleet);
await call();
pushPrometheus(metrics, {
  url,
  job,
  intervalMs: Number(intervalMs),
  timeoutMs: 1_000,
  onEvent: (event) => console.log(event.type === 'failed' ? `failed ${event.error.code}` : event.type),
});
createInterface(process.stdin).on('line', () => void call().then(() => console.log('called')));
process.once('SIGTERM', async () => {
  await call();
  process.stdin.destroy();
  await fleet.close();
});
