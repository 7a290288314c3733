/** One request to a Consul agent as an Observable: over `fetch`, or over node:https where TLS has options of its own. */

import { Agent as HttpAgent, request as httpRequest } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { defer, Observable, throwError, timeout, type SchedulerLike } from 'rxjs';
import { FleetError } from '../../core/fleetError.js';
import { requireOption } from '../../core/requireOption.js';
import type { TlsOptions } from '../../transport/transportOptions.js';

/** How a Consul agent is reached; the same for discovery and registration. */
export interface ConsulConnection {
  /** The agent's HTTP address. Default `http://127.0.0.1:8500`. */
  readonly address?: string;
  /** Datacenter to ask. Default: that of the agent. */
  readonly datacenter?: string;
  /** Namespace of Consul Enterprise. Not the namespace of a node, which is a fact about it. */
  readonly namespace?: string;
  /** The ACL token, or a function that gives it for each request, such as one that rotates. */
  readonly token?: string | (() => string | undefined);
  /** Certificates for an `https://` address. Default: what Node.js trusts. */
  readonly tls?: TlsOptions;
  /** How long an answer may take beyond the wait that was asked for, in milliseconds. Default 10,000. */
  readonly requestTimeoutMs?: number;
}

export interface ConsulRequest {
  readonly method: 'GET' | 'PUT' | 'POST';
  /** Absolute path, its parts encoded. */
  readonly path: string;
  /** Those that are undefined are left out; `''` is a bare flag. */
  readonly query?: Readonly<Record<string, string | undefined>>;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** How long the agent was asked to hold the answer back, in milliseconds. Default 0. */
  readonly holdMs?: number;
}

export interface ConsulAnswer {
  readonly status: number;
  /** A header by its lower-case name. */
  header(name: string): string | undefined;
  readonly text: string;
}

/** Cold; emits one answer, whatever its status, and completes. Unsubscribing aborts it. */
export interface ConsulHttp {
  (request: ConsulRequest): Observable<ConsulAnswer>;
  /** Scheme, host and port, for messages. */
  readonly endpoint: string;
  /** The same text without the token, should an answer repeat it. */
  withoutSecrets(text: string): string;
}

/** Connections that nobody uses end after as long as those of `fetch`. */
const kept = { keepAlive: true, timeout: 4_000 };

/** What goes over the wire. */
interface Outgoing {
  readonly method: string;
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
}

/** The `fetch` of Node.js gives up on a request that has no headers after 300 s; no answer may be held back so long. */
const fetchHoldsMs = 280_000;

/**
 * Requests to one agent, over connections that are kept alive.
 *
 * `fetch` cannot be given certificates without another package, and ends requests that are held back for 300 s: with
 * `tls`, and for longer waits, node:http and node:https take its place. Redirects are not followed, since the token
 * would go with them.
 *
 * @throws FleetError `INVALID_OPTION` for an address that is no HTTP URL, or a time that makes no sense.
 */
export function consulHttp(connection: ConsulConnection, scheduler: SchedulerLike): ConsulHttp {
  const {
    address = 'http://127.0.0.1:8500',
    datacenter,
    namespace,
    token,
    tls,
    requestTimeoutMs = 10_000,
  } = connection;
  const base = baseOf(address);
  requireOption(!tls || base.protocol === 'https:', 'tls', 'for an https:// address only', base.origin);
  requireOption(requestTimeoutMs > 0, 'requestTimeoutMs', 'above 0', requestTimeoutMs);
  const tokenNow = () => (typeof token === 'function' ? token() : token) || undefined;
  const endpoint = base.origin;
  const viaNode = nodeExchange(tls);

  const ask = ({ method, path, query, body, holdMs = 0 }: ConsulRequest): Observable<ConsulAnswer> =>
    defer(() => {
      const secret = tokenNow();
      const url = new URL(base.pathname.replace(/\/$/, '') + path, base);
      for (const [name, value] of Object.entries({ dc: datacenter, ns: namespace, ...query })) {
        if (value !== undefined) url.searchParams.set(name, value);
      }
      const headers = {
        ...(secret ? { 'x-consul-token': secret } : {}),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      };
      const outgoing = { method, url, headers, body: body === undefined ? undefined : JSON.stringify(body) };
      const limitMs = holdMs + requestTimeoutMs;
      const late = () =>
        throwError(
          () =>
            new FleetError(
              'DEADLINE_EXCEEDED',
              `consul at ${endpoint}: no answer to ${method} ${path} within ${limitMs} ms; check that the agent is reachable`,
            ),
        );
      const exchange = tls || holdMs > fetchHoldsMs ? viaNode : viaFetch;
      return exchange(outgoing, endpoint).pipe(timeout({ first: limitMs, scheduler, with: late }));
    });
  return Object.assign(ask, {
    endpoint,
    withoutSecrets: (text: string) => {
      const secret = tokenNow();
      return secret ? text.replaceAll(secret, '…') : text;
    },
  });
}

function baseOf(address: string): URL {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  const isHttp = url?.protocol === 'http:' || url?.protocol === 'https:';
  // An address that bears a password is not repeated.
  const plain = !url?.username && !url?.password;
  requireOption(
    isHttp && plain,
    'address',
    'http://host:port or https://host:port, no user in it',
    plain ? address : '…',
  );
  return url!;
}

function viaFetch({ method, url, headers, body }: Outgoing, endpoint: string): Observable<ConsulAnswer> {
  return new Observable((subscriber) => {
    const abort = new AbortController();
    const init: RequestInit = { method, headers, redirect: 'manual', signal: abort.signal };
    if (body !== undefined) init.body = body;
    fetch(url, init)
      .then(async (response) => {
        const text = await response.text();
        subscriber.next({ status: response.status, header: (name) => response.headers.get(name) ?? undefined, text });
        subscriber.complete();
      })
      .catch((cause: unknown) => subscriber.error(unreachable(endpoint, cause)));
    return () => abort.abort();
  });
}

/** The same over node:http and node:https. Their agents are made when they are first needed, and end with their sockets. */
function nodeExchange(tls: TlsOptions | undefined) {
  let agent: HttpAgent | HttpsAgent | undefined;
  const agentFor = (secure: boolean): HttpAgent | HttpsAgent => {
    if (!secure) return new HttpAgent(kept);
    const { ca, cert, key, serverName, rejectUnauthorized } = tls ?? {};
    const pem = (value: string | Uint8Array | undefined) => (value === undefined ? undefined : Buffer.from(value));
    return new HttpsAgent({
      ...kept,
      ...(ca === undefined ? {} : { ca: pem(ca) }),
      ...(cert === undefined ? {} : { cert: pem(cert) }),
      ...(key === undefined ? {} : { key: pem(key) }),
      ...(serverName === undefined ? {} : { servername: serverName }),
      ...(rejectUnauthorized === undefined ? {} : { rejectUnauthorized }),
    });
  };
  return ({ method, url, headers, body }: Outgoing, endpoint: string): Observable<ConsulAnswer> =>
    new Observable((subscriber) => {
      const secure = url.protocol === 'https:';
      agent ??= agentFor(secure);
      const fail = (cause: unknown) => subscriber.error(unreachable(endpoint, cause));
      const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) };
      const options = { method, agent, headers: { ...headers, ...length } };
      const request = (secure ? httpsRequest : httpRequest)(url, options, (response) => {
        const parts: Buffer[] = [];
        response.on('data', (part: Buffer) => parts.push(part));
        response.on('error', fail);
        response.on('aborted', () => fail(new Error('the connection ended within the answer')));
        response.on('end', () => {
          const header = (name: string) => [response.headers[name] ?? []].flat()[0];
          subscriber.next({ status: response.statusCode ?? 0, header, text: Buffer.concat(parts).toString() });
          subscriber.complete();
        });
      });
      request.on('error', fail);
      request.setSocketKeepAlive(true, 60_000);
      request.end(body);
      return () => request.destroy();
    });
}

function unreachable(endpoint: string, thrown: unknown): FleetError {
  // fetch says only that it failed; what failed is its cause, or one of several.
  const { cause } = thrown as { cause?: unknown };
  const inner = cause instanceof AggregateError ? cause.errors[0] : (cause ?? thrown);
  const { code, message } = inner as { code?: string; message?: string };
  const why = message || code || String(inner);
  return new FleetError(
    'UNAVAILABLE',
    `consul at ${endpoint} cannot be reached: ${why}; check the address and that the agent runs`,
    {
      cause: thrown,
    },
  );
}
