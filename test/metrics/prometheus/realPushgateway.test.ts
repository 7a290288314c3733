/** A real Pushgateway is pushed to, by this process and by others, and dies for real. */

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { hostname } from 'node:os';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { prometheusMetrics, pushPrometheus, type PushEvent } from '../../../src/metrics/prometheus.js';
import { prometheusOrReason, startPrometheus, startPushgateway, type Pushgateway } from '../../support/prometheus.js';
import { until } from '../../support/until.js';
import { startTraffic, type Traffic } from './traffic.js';

const program = await prometheusOrReason('prometheus-pushgateway');
const prometheusProgram = await prometheusOrReason('prometheus');

describe.skipIf(typeof program === 'string')('a real Pushgateway', () => {
  if (typeof program === 'string') return;
  let gateway: Pushgateway;
  let traffic: Traffic;
  const children: ChildProcess[] = [];
  afterEach(() => children.splice(0).forEach((child) => child.kill('SIGKILL')));
  beforeAll(async () => {
    gateway = await startPushgateway(program);
    traffic = await startTraffic();
    await traffic.call(10);
  });
  afterAll(async () => {
    await traffic?.close();
    await gateway?.close();
  });

  /** Another process that pushes, and what it says. */
  function pusher(job: string, intervalMs: number) {
    const file = fileURLToPath(new URL('./pusherProcess.ts', import.meta.url));
    const args = ['--import', 'tsx', file, gateway.url, job, traffic.servers[0]!.address, String(intervalMs)];
    const child: ChildProcess = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    children.push(child);
    const said: string[] = [];
    createInterface(child.stdout!).on('line', (line) => said.push(line));
    const ended = once(child, 'exit');
    return { child, said, ended };
  }

  const samples = async (name: string, ...labels: string[]) =>
    (await gateway.text())
      .split('\n')
      .filter((line) => line.startsWith(`${name}{`) && labels.every((label) => line.includes(label)))
      .map((line) => Number(line.split(' ').at(-1)));

  it('keeps the groups of two processes of one job apart, and has the last push of each', async () => {
    const both = [pusher('twins', 600_000), pusher('twins', 600_000)];
    await until('both have pushed', () => both.every(({ said }) => said.includes('pushed')), 30_000);
    const names = both.map(({ child }) => `${hostname()}:${child.pid}`);
    const groups = (await gateway.groups()).filter(({ job }) => job === 'twins');
    expect(groups.map(({ instance }) => instance).sort()).toEqual(names.toSorted());
    // Each has made one call, and nobody has overwritten the other.
    const calls = () => samples('grpc_client_call_duration_seconds_count', 'job="twins"', 'grpc_status="OK"');
    expect(await calls()).toEqual([1, 1]);

    // On the way out each makes a second call, long before the next push is due.
    for (const { child } of both) child.kill('SIGTERM');
    const exits = await Promise.all(both.map(({ ended }) => ended));
    expect(exits).toEqual([
      [0, null],
      [0, null],
    ]);
    expect(await calls()).toEqual([2, 2]);
    // What was under way is over, in the last word, too.
    expect(await samples('grpc_subchannel_open_connections', 'job="twins"')).toEqual([0, 0]);
  });

  it('is found again after it was killed amid the pushes of another process', async () => {
    const one = pusher('survivor', 100);
    await until('it has pushed', () => one.said.filter((line) => line === 'pushed').length >= 2, 30_000);
    // Amid a push it stands still, and then it dies.
    gateway.pause();
    await until('a push hangs', () => one.said.includes('failed DEADLINE_EXCEEDED'));
    await gateway.kill();
    await until('it has noticed', () => one.said.includes('failed UNAVAILABLE'));
    one.child.stdin!.write('call\n');
    await until('it goes on with its work', () => one.said.includes('called'));
    await gateway.start();
    const failed = one.said.length;
    await until('it has pushed again', () => one.said.slice(failed).includes('pushed'), 20_000);
    expect(await samples('grpc_client_call_duration_seconds_count', 'job="survivor"')).toEqual([2]);
    one.child.kill('SIGTERM');
    expect(await one.ended).toEqual([0, null]);
    expect(await samples('grpc_client_call_duration_seconds_count', 'job="survivor"')).toEqual([3]);
  });

  it('that stands still holds up no end: the last push is given up in time, and told', async () => {
    const events: PushEvent[] = [];
    const stuck = pushPrometheus(traffic.fleet, {
      ...{ url: gateway.url, job: 'stuck', target: 'stuck', intervalMs: Infinity },
      ...{ closeMs: 300, timeoutMs: 10_000, onEvent: (event: PushEvent) => events.push(event) },
    });
    gateway.pause();
    const begun = performance.now();
    await stuck.close();
    expect(performance.now() - begun).toBeLessThan(5_000);
    gateway.resume();
    expect(events).toMatchObject([{ type: 'failed', error: { code: 'DEADLINE_EXCEEDED' }, retryInMs: undefined }]);
  });

  it('takes labels of a group that have slashes, spaces and dots in them, or nothing', async () => {
    const grouping = { path: '/var/tmp', empty: '', words: 'one two', name: 'Προμηθεύς', dots: '..', percent: '100%' };
    await using odd = pushPrometheus(traffic.fleet, {
      ...{ url: gateway.url, job: 'nightly/batch', instance: 'here', target: 'odd', grouping, intervalMs: Infinity },
    });
    await odd.push();
    const found = (await gateway.groups()).find(({ job }) => job === 'nightly/batch');
    expect(found).toEqual({ job: 'nightly/batch', instance: 'here', ...grouping });
  });

  it('takes the metrics of fyer-rpc with their label instance, of which it would otherwise make one', async () => {
    const metrics = prometheusMetrics(traffic.fleet, { preset: 'seeds' });
    await traffic.call(4);
    await using seeds = pushPrometheus(metrics, { url: gateway.url, job: 'fyerrpc', intervalMs: Infinity });
    await seeds.push();
    expect(seeds.url).toContain('/metrics/job/fyerrpc/pusher/');
    const instances = (await gateway.text()).match(/rpc_requests_total\{[^}]*instance="([^"]*)"/g);
    expect(new Set(instances?.map((line) => /instance="([^"]*)"/.exec(line)![1])).size).toBe(2);
    await metrics.close();
    await expect(gateway.groups()).resolves.toContainEqual({ job: 'fyerrpc', pusher: `${hostname()}:${process.pid}` });
  });

  it('deletes the group at the end, when it is asked to', async () => {
    const events: string[] = [];
    const options = { url: gateway.url, job: 'brief', target: 'brief', intervalMs: Infinity, deleteOnClose: true };
    const brief = pushPrometheus(traffic.fleet, { ...options, onEvent: ({ type }) => events.push(type) });
    await brief.push();
    expect((await gateway.groups()).some(({ job }) => job === 'brief')).toBe(true);
    await brief.close();
    await brief.close();
    expect(events).toEqual(['pushed', 'deleted']);
    expect((await gateway.groups()).some(({ job }) => job === 'brief')).toBe(false);
  });

  it('says why it refuses a push that cannot be', async () => {
    await using first = pushPrometheus(traffic.fleet, {
      url: gateway.url,
      job: 'x',
      target: 'x',
      intervalMs: Infinity,
    });
    await first.push();
    const metrics = prometheusMetrics(traffic.fleet, { target: 'y' });
    // Somebody else's metric of our name and another type.
    const other = `# TYPE rxfleet_panic counter\nrxfleet_panic 1\n`;
    metrics.registry.metrics = async () => other;
    await using second = pushPrometheus(metrics, { url: gateway.url, job: 'y', intervalMs: Infinity, closeMs: 10 });
    await expect(second.push()).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  it.skipIf(typeof prometheusProgram === 'string')('hands the groups on to Prometheus', async () => {
    if (typeof prometheusProgram === 'string') return;
    await using pushing = pushPrometheus(traffic.fleet, {
      ...{ url: gateway.url, job: 'handed-on', instance: 'p-1', target: 'handed-on', intervalMs: Infinity },
    });
    await traffic.call(3);
    await pushing.push();
    const target = `127.0.0.1:${gateway.port}`;
    const prometheus = await startPrometheus(prometheusProgram, [{ job: 'gateway', target, honorLabels: true }]);
    try {
      const calls = 'grpc_client_call_duration_seconds_count{job="handed-on",instance="p-1",grpc_status="OK"}';
      expect(await prometheus.until(calls, (count) => count >= 3)).toBe(3);
    } finally {
      await prometheus.close();
    }
  });
});
