/** A real Prometheus scrapes us, and is asked what it has understood. */

import { firstValueFrom, skipWhile } from 'rxjs';
import {
  promqlFailoverRate,
  promqlLatencies,
  prometheusMetrics,
  servePrometheus,
  type PrometheusServer as MetricsServer,
  type PromqlEvent,
} from '../../../src/metrics/prometheus.js';
import { prometheusOrReason, startPrometheus, type PrometheusServer } from '../../support/prometheus.js';
import { startTraffic, type Traffic } from './traffic.js';

const program = await prometheusOrReason('prometheus');

describe.skipIf(typeof program === 'string')('a real Prometheus', () => {
  if (typeof program === 'string') return;
  let traffic: Traffic;
  let served: MetricsServer;
  let prometheus: PrometheusServer;

  beforeAll(async () => {
    traffic = await startTraffic();
    const metrics = prometheusMetrics(traffic.fleet, { preset: ['grpc', 'seeds'], perNode: true });
    served = await servePrometheus(metrics, { port: 0 });
    const target = `${served.host}:${served.port}`;
    prometheus = await startPrometheus(program, [
      { job: 'honest', target, honorLabels: true },
      { job: 'plain', target },
    ]);
    await prometheus.until('up{job="honest"}', (up) => up === 1);
    await traffic.call(30);
  });
  afterAll(async () => {
    await prometheus?.close();
    await served?.close();
    await traffic?.close();
  });

  const of = (name: string, labels = '') => `sum(${name}{job="honest"${labels && `,${labels}`}})`;
  const reaches = (expression: string, value: number) => prometheus.until(expression, (seen) => seen === value);

  it('understands what we serve, in the format that it asks for, without a complaint', async () => {
    await reaches(of('grpc_client_attempt_started_total'), 33);
    const targets = await prometheus.targets();
    expect(targets.map(({ health, lastError }) => ({ health, lastError }))).toEqual([
      { health: 'up', lastError: '' },
      { health: 'up', lastError: '' },
    ]);
  });

  it('has the numbers of the calls, the retries, the connections and the ejection', async () => {
    const method = 'grpc_method="demo.Greeter/SayHello",grpc_target="demo.Greeter"';
    await reaches(of('grpc_client_call_duration_seconds_count', `${method},grpc_status="OK"`), 30);
    await reaches(of('grpc_client_attempt_duration_seconds_count', `${method},grpc_status="OK"`), 30);
    await reaches(of('grpc_client_attempt_duration_seconds_count', `${method},grpc_status="UNAVAILABLE"`), 3);
    await reaches(of('grpc_client_call_retries_count', method), 3);
    await reaches(of('grpc_client_call_retries_bucket', `${method},le="1"`), 3);
    await reaches(of('grpc_subchannel_open_connections'), 3);
    await reaches(of('grpc_subchannel_connection_attempts_succeeded_total'), 3);
    await reaches(
      of(
        'grpc_lb_outlier_detection_ejections_enforced_total',
        'grpc_lb_outlier_detection_detection_method="third_failure"',
      ),
      1,
    );
    await reaches(of('rxfleet_nodes', 'state="routable"'), 2);
    await reaches(of('rxfleet_nodes', 'state="ejected"'), 1);
    await reaches(of('rxfleet_failovers_total'), 3);
  });

  it('has the sizes of the requests as they went over the wire', async () => {
    // "Ada" in a field of its own: a tag, a length, and three bytes.
    await reaches(of('grpc_client_attempt_sent_total_compressed_message_size_bytes_sum', 'grpc_status="OK"'), 30 * 5);
    await reaches(of('grpc_client_attempt_sent_total_compressed_message_size_bytes_count'), 33);
  });

  it('can make quantiles of the buckets', async () => {
    await traffic.call(20);
    const p99 = `histogram_quantile(0.99, sum by (le) (rate(grpc_client_call_duration_seconds_bucket{job="honest"}[10s])))`;
    const seconds = await prometheus.until(p99, (value) => value > 0);
    expect(seconds).toBeLessThan(5);
  });

  it('knows the metrics of clientPool and fyer-rpc by their names and labels', async () => {
    const [a, , bad] = traffic.servers;
    await prometheus.until(of('middleware_requests_total', 'client="a",method="SayHello"'), (count) => count >= 10);
    await reaches(of('middleware_request_errors_total', 'client="bad",method="SayHello"'), 3);
    const labels = 'service="demo.Greeter",method="SayHello"';
    await reaches(of('rpc_requests_total', `${labels},instance="${bad!.address}",status="error"`), 3);
    await prometheus.until(
      of('rpc_response_time_seconds_count', `${labels},instance="${a!.address}",status="success"`),
      (count) => count >= 10,
    );
    await reaches(of('rpc_failover_total', `from_instance="${bad!.address}"`), 3);
    await reaches(of('rpc_retry_total', 'service="demo.Greeter",attempt="1"'), 3);
  });

  it('renames the label instance of fyer-rpc where it is not told to honour labels, as the docs say', async () => {
    const exported = `sum(rpc_requests_total{job="plain",exported_instance="${traffic.servers[2]!.address}"})`;
    await reaches(exported, 3);
  });

  it('tells the latencies of all nodes in one query, by their ids and in milliseconds', async () => {
    await traffic.servers[1]!.faults({ latencyMs: 40 });
    await traffic.call(20);
    await prometheus.until(of('rxfleet_node_latency_seconds_count'), (count) => count >= 70);
    const events: PromqlEvent[] = [];
    const latencies = await firstValueFrom(
      promqlLatencies({
        url: prometheus.url,
        service: 'demo.Greeter',
        windowMs: 5_000,
        intervalMs: 100,
        onEvent: (event) => events.push(event),
      }).pipe(skipWhile((found) => !(found.get('b')! > 20))),
    );
    expect([...latencies.keys()].sort()).toEqual(['a', 'b']);
    expect(latencies.get('b')).toBeLessThan(1_000);
    expect(latencies.get('a')).toBeLessThan(latencies.get('b')!);
    // Two jobs scrape the same nodes: still one value for each.
    expect(events.at(-1)).toMatchObject({ type: 'answered', samples: 3, warnings: [] });
    expect(latencies.has('bad')).toBe(false);
  });

  it('tells them by address under the names of fyer-rpc, too', async () => {
    const found = await firstValueFrom(
      promqlLatencies({
        url: prometheus.url,
        preset: 'seeds',
        service: 'demo.Greeter',
        windowMs: 60_000,
        intervalMs: 100,
      }).pipe(skipWhile(({ size }) => size < 2)),
    );
    expect(found.has(traffic.servers[0]!.address)).toBe(true);
    // The job that does not honour labels has its own address there, of those that are known to be ours.
    expect(found.has(traffic.servers[2]!.address)).toBe(false);
  });

  it('tells the rate of failovers', async () => {
    traffic.fleet.readmit('bad', 'consecutiveFailures');
    await traffic.call(12);
    const options = { url: prometheus.url, service: 'demo.Greeter', windowMs: 10_000, intervalMs: 100 };
    const rate = await firstValueFrom(promqlFailoverRate(options).pipe(skipWhile((value) => value === 0)));
    expect(rate).toBeGreaterThan(0);
    expect(rate).toBeLessThan(1);
    const fyers = await firstValueFrom(
      promqlFailoverRate({ ...options, preset: 'seeds' }).pipe(skipWhile((value) => value === 0)),
    );
    expect(fyers).toBeGreaterThan(0);
  });
});
