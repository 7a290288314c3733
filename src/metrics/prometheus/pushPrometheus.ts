/**
 * The metrics, pushed to a Pushgateway.
 *
 * For programs that Prometheus cannot come to: jobs that are over before it does, processes behind a NAT. Whoever lives
 * long enough to be scraped should be (`servePrometheus`): a Pushgateway is one point that all depend on, it keeps what
 * was pushed for ever, and a process that has died looks as alive as on its last day
 * (https://prometheus.io/docs/practices/pushing/).
 */

import { hostname } from 'node:os';
import { asyncScheduler } from 'rxjs';
import type { LiveNodes } from '../../client/engineOptions.js';
import { requireOption } from '../../core/requireOption.js';
import { collectorOf } from './collectorOf.js';
import { requireHttpUrl, type HttpHeaders } from './httpExchange.js';
import type { PrometheusMetrics } from './prometheusMetrics.js';
import type { PrometheusMetricsOptions } from './prometheusMetricsOptions.js';
import { Pusher, type PrometheusPusher, type PushEvent } from './pusher.js';
import { pushPath } from './pushPath.js';

export interface PushPrometheusOptions {
  /**
   * The Pushgateway, such as `http://127.0.0.1:9091`. A path before `/metrics` may follow; credentials go into
   * `headers`.
   */
  readonly url: string;
  /** The name of the job: the first label of the group. */
  readonly job: string;
  /**
   * The second label of the group, by which processes of one job are told apart. Default the name of the machine and
   * the process id, `host:17`.
   */
  readonly instance?: string;
  /**
   * The name of that label. Default `instance`; `pusher` when some metric has a label `instance` of its own, as those
   * of the seeds have, since the Pushgateway overwrites labels of metrics with those of their group.
   */
  readonly instanceLabel?: string;
  /** Further labels of the group. Default none. */
  readonly grouping?: Readonly<Record<string, string>>;
  /** Milliseconds from the end of a push to the next; `Infinity` pushes only at the end. Default 10,000. */
  readonly intervalMs?: number;
  /** `PUT` replaces the whole group, `POST` only metrics of the same names. Default `PUT`. */
  readonly method?: 'PUT' | 'POST';
  /** Such as `{ authorization: 'Bearer …' }`. Default none. */
  readonly headers?: HttpHeaders;
  /** How long a push may take, in milliseconds. Default 5,000. */
  readonly timeoutMs?: number;
  /** How long the last push may take, with what it takes to try again, in milliseconds. Default 5,000. */
  readonly closeMs?: number;
  /** Deletes the group at the end instead of pushing a last time. Default false. */
  readonly deleteOnClose?: boolean;
  /** Told of each push. Default: nobody is. What it throws is lost. */
  readonly onEvent?: (event: PushEvent) => void;
  /** Default `Math.random`. */
  readonly random?: () => number;
}

/** What a timer of Node can wait for. */
const longest = 2 ** 31 - 1;

/**
 * Pushes the metrics of a fleet or pool, or those that `prometheusMetrics` keeps, at once and then every `intervalMs`,
 * until `close()` or the end of the client.
 *
 *     push     p--p--p--x-x--x----p--p     x: fails; again after 1 s, doubling to a minute, or to `intervalMs`
 *
 * ```ts
 * await using pusher = pushPrometheus(fleet, { url: 'http://127.0.0.1:9091', job: 'nightly' });
 * ```
 *
 * The group is `/metrics/job/nightly/instance/host%3A17`: the path that fyer-rpc pushes to, and the process behind it,
 * so that one does not overwrite the other. Have Prometheus scrape the Pushgateway with `honor_labels: true`. Failures
 * are told to `onEvent` and tried again; they never reach the program.
 *
 * @throws FleetError `INVALID_OPTION` for a senseless option.
 */
export function pushPrometheus(
  fleet: LiveNodes,
  options: PushPrometheusOptions & PrometheusMetricsOptions,
): PrometheusPusher;
export function pushPrometheus(metrics: PrometheusMetrics, options: PushPrometheusOptions): PrometheusPusher;
export function pushPrometheus(
  source: LiveNodes | PrometheusMetrics,
  options: PushPrometheusOptions & PrometheusMetricsOptions,
): PrometheusPusher {
  const {
    job,
    intervalMs = 10_000,
    method = 'PUT',
    timeoutMs = 5_000,
    closeMs = 5_000,
    deleteOnClose = false,
  } = options;
  const { onEvent, headers = {}, random = Math.random, scheduler = asyncScheduler } = options;
  const base = requireHttpUrl(options.url);
  requireOption(typeof job === 'string' && job !== '', 'job', 'a text that is not empty', job);
  const interval = intervalMs > 0 && (intervalMs <= longest || intervalMs === Infinity);
  requireOption(interval, 'intervalMs', 'above 0, and at most 24 days or Infinity', intervalMs);
  requireOption(method === 'PUT' || method === 'POST', 'method', 'PUT or POST', method);
  requireOption(timeoutMs > 0 && timeoutMs <= longest, 'timeoutMs', 'above 0', timeoutMs);
  requireOption(closeMs >= 0 && closeMs <= longest, 'closeMs', 'at least 0', closeMs);

  const { metrics, release } = collectorOf(source, options);
  const { registry } = metrics;
  try {
    const url = base + pushPath(job, groupOf(options, labelNamesOf(registry.getMetricsAsArray())));
    const rules = {
      url,
      who: `the Pushgateway at ${base}`,
      intervalMs,
      method,
      timeoutMs,
      closeMs,
      deleteOnClose,
      headers,
    };
    const pusher = new Pusher(metrics, release, { ...rules, onEvent, random, scheduler });
    void metrics.ended.then(() => pusher.close());
    return pusher;
  } catch (error) {
    void release();
    throw error;
  }
}

/** The labels of the group but for the job. */
function groupOf(options: PushPrometheusOptions, used: ReadonlySet<string>): Readonly<Record<string, string>> {
  const { instance = `${hostname()}:${process.pid}`, grouping = {} } = options;
  const { instanceLabel = used.has('instance') ? 'pusher' : 'instance' } = options;
  requireOption(typeof instance === 'string' && instance !== '', 'instance', 'a text that is not empty', instance);
  const group = { [instanceLabel]: instance, ...grouping };
  requireOption(
    !(instanceLabel in grouping),
    'grouping',
    `without ${instanceLabel}: give instance instead`,
    instanceLabel,
  );
  for (const [name, value] of Object.entries(group)) {
    const field = name === instanceLabel ? 'instanceLabel' : 'grouping';
    const valid = /^[a-zA-Z_]\w*$/.test(name) && !name.startsWith('__') && name !== 'job';
    requireOption(valid, field, 'letters, digits and _, no digit first, not job', name);
    requireOption(!used.has(name), field, 'no label of the metrics, which the Pushgateway would overwrite', name);
    requireOption(typeof value === 'string', `${field}.${name}`, 'a text', value);
  }
  return group;
}

/** The labels of all metrics, as far as they are told. */
function labelNamesOf(metrics: readonly object[]): ReadonlySet<string> {
  return new Set(metrics.flatMap((metric) => (metric as { labelNames?: readonly string[] }).labelNames ?? []));
}
