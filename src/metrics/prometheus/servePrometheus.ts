/** The metrics over HTTP, where Prometheus comes for them. */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { asyncScheduler } from 'rxjs';
import type { LiveNodes } from '../../client/engineOptions.js';
import { formatAddress } from '../../core/address.js';
import { FleetError } from '../../core/fleetError.js';
import { requireOption } from '../../core/requireOption.js';
import { collectorOf } from './collectorOf.js';
import { prefersOpenMetrics } from './prefersOpenMetrics.js';
import type { PrometheusMetrics } from './prometheusMetrics.js';
import type { PrometheusMetricsOptions } from './prometheusMetricsOptions.js';
import { inOpenMetrics, type AnyRegistry } from './registry.js';

const zipped = promisify(gzip);

/** Less than this is not worth the work. */
const smallestZipped = 1_024;
/** How long a request may go on after the end, in milliseconds. */
const graceMs = 1_000;

export interface ServePrometheusOptions {
  /** Default 9464, that of exporters of OpenTelemetry; 0 takes any that is free. */
  readonly port?: number;
  /**
   * Where to listen. Default `127.0.0.1`: the metrics tell the names of methods and nodes, and nothing protects them.
   * `0.0.0.0` or `::` lets Prometheus come from elsewhere; see then that only Prometheus can.
   */
  readonly host?: string;
  /** Default `/metrics`. */
  readonly path?: string;
}

/** See `servePrometheus`. */
export interface PrometheusServer {
  /** What to tell Prometheus, such as `http://127.0.0.1:9464/metrics`. */
  readonly url: string;
  readonly host: string;
  readonly port: number;
  readonly metrics: PrometheusMetrics;
  /**
   * Stops listening; a request that runs has a second to end. The metrics end, too, if they began here. May be called
   * twice.
   */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Serves the metrics of a fleet or pool, or those that `prometheusMetrics` keeps, until `close()` or the end of the
 * client.
 *
 * ```ts
 * await servePrometheus(fleet, { port: 9464 });                    // http://127.0.0.1:9464/metrics
 *
 * const metrics = prometheusMetrics(fleet, { preset: ['grpc', 'seeds'] });
 * await servePrometheus(metrics);                                  // the same metrics, served
 * pushPrometheus(metrics, { url, job: 'batch' });                  // and pushed
 * ```
 *
 * Resolves once it listens; await it, since a port that is taken rejects it. Answers GET and HEAD; in OpenMetrics or
 * the older text format, as Prometheus asks for, and compressed when it may be. Several clients share one server by
 * sharing a registry.
 *
 * @throws FleetError `INVALID_OPTION` for a senseless option; `UNAVAILABLE` when the address cannot be listened on, with
 * what to do.
 */
export function servePrometheus(
  fleet: LiveNodes,
  options?: ServePrometheusOptions & PrometheusMetricsOptions,
): Promise<PrometheusServer>;
export function servePrometheus(
  metrics: PrometheusMetrics,
  options?: ServePrometheusOptions,
): Promise<PrometheusServer>;
export async function servePrometheus(
  source: LiveNodes | PrometheusMetrics,
  options: ServePrometheusOptions & PrometheusMetricsOptions = {},
): Promise<PrometheusServer> {
  const { port = 9464, host = '127.0.0.1', path = '/metrics' } = options;
  requireOption(Number.isInteger(port) && port >= 0 && port <= 65_535, 'port', 'a whole number from 0 to 65535', port);
  requireOption(typeof host === 'string' && host !== '', 'host', 'an address of this machine', host);
  requireOption(/^\/[^?#]*$/.test(path), 'path', 'one that begins with a /', path);

  const { metrics, release } = collectorOf(source, options);
  const server = createServer((request, response) => {
    answer(request, response, path, metrics.registry).catch((thrown: unknown) => refuse(response, 500, String(thrown)));
  });
  let address: AddressInfo;
  try {
    address = await listen(server, host, port);
  } catch (error) {
    await release();
    throw error;
  }

  let closing: Promise<void> | undefined;
  const close = () => (closing ??= Promise.all([stop(server), release()]).then(() => undefined));
  void metrics.ended.then(close);
  const url = `http://${formatAddress({ host: address.address, port: address.port })}${path}`;
  return { url, host: address.address, port: address.port, metrics, close, [Symbol.asyncDispose]: close };
}

async function answer(
  { method = '', url = '', headers }: IncomingMessage,
  response: ServerResponse,
  path: string,
  registry: AnyRegistry,
): Promise<void> {
  if (url.replace(/[?#].*$/, '') !== path) return refuse(response, 404, `The metrics are at ${path}.`);
  if (method !== 'GET' && method !== 'HEAD') {
    response.setHeader('allow', 'GET, HEAD');
    return refuse(response, 405, 'Only GET and HEAD.');
  }
  const wanted = prefersOpenMetrics(headers.accept) ? inOpenMetrics(registry) : registry;
  let body = Buffer.from(await wanted.metrics());
  response.setHeader('content-type', wanted.contentType);
  response.setHeader('vary', 'accept, accept-encoding');
  if (body.length >= smallestZipped && takesGzip(headers['accept-encoding'])) {
    body = await zipped(body);
    response.setHeader('content-encoding', 'gzip');
  }
  response.setHeader('content-length', body.length);
  response.end(method === 'HEAD' ? undefined : body);
}

function takesGzip(encodings: string | string[] | undefined): boolean {
  return /(?:^|[\s,])gzip(?!\s*;\s*q=0(?:\.0*)?\s*(?:,|$))/i.test(String(encodings ?? ''));
}

function refuse(response: ServerResponse, status: number, text: string): void {
  if (response.headersSent) return void response.destroy();
  response.statusCode = status;
  response.setHeader('content-type', 'text/plain; charset=utf-8');
  response.end(`${text}\n`);
}

function listen(server: Server, host: string, port: number): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    const fail = (cause: NodeJS.ErrnoException) => {
      const remedy = remedies[cause.code ?? ''] ?? 'choose another host or port';
      const message = `the metrics cannot be served at ${formatAddress({ host, port })}: ${cause.message}; ${remedy}`;
      reject(new FleetError('UNAVAILABLE', message, { cause }));
    };
    server.once('error', fail);
    server.listen({ host, port }, () => {
      server.off('error', fail);
      // What becomes of a single connection later ends that connection, and not the program.
      server.on('error', () => undefined);
      resolve(server.address() as AddressInfo);
    });
  });
}

const remedies: Readonly<Record<string, string>> = {
  EADDRINUSE:
    'another program or client has the port: choose another port, or 0 for any that is free, or share a registry',
  EACCES: 'ports below 1024 are not for everybody: choose a higher port',
  EADDRNOTAVAIL: 'the host is no address of this machine: choose 127.0.0.1, or 0.0.0.0 for all',
  ENOTFOUND: 'the host is not known: choose 127.0.0.1, or 0.0.0.0 for all',
};

function stop(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const late = asyncScheduler.schedule(() => server.closeAllConnections(), graceMs);
    server.close(() => {
      late.unsubscribe();
      resolve();
    });
    server.closeIdleConnections();
  });
}
