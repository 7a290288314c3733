/** A server that answers as Consul might, good or bad: each request gets what the script says. */

import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener } from 'node:http';
import { createServer as createTlsServer, type ServerOptions } from 'node:https';
import type { AddressInfo } from 'node:net';

export interface FakeAnswer {
  readonly status?: number;
  /** The index header; left out when undefined. */
  readonly index?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as it is when it is a text, else as JSON. */
  readonly body?: unknown;
}

export interface FakeConsul {
  readonly address: string;
  /** Each request for the service, as `index=… wait=…`, and every request whole. */
  readonly requests: readonly IncomingMessage[];
  /** How many requests were ended by the client before they were answered. */
  readonly aborted: number;
  /** The index of each query for a service, in order; `''` where none was given. */
  indexes(): string[];
  /** What came with a request, read as JSON. */
  body(at: number): Promise<unknown>;
  close(): Promise<void>;
}

/** `script` gives the answer, or undefined to hold the request for ever. */
export async function fakeConsul(
  script: (request: IncomingMessage, count: number) => FakeAnswer | undefined,
  tls?: ServerOptions,
): Promise<FakeConsul> {
  const requests: IncomingMessage[] = [];
  const bodies: Promise<string>[] = [];
  let aborted = 0;
  const listener: RequestListener = (request, response) => {
    requests.push(request);
    let sent = '';
    request.on('data', (part: Buffer) => (sent += part.toString()));
    bodies.push(once(request, 'end').then(() => sent));
    response.on('close', () => void (response.writableEnded || aborted++));
    const answer = script(request, requests.length);
    if (!answer) return;
    const { status = 200, index, headers = {}, body = [] } = answer;
    response.writeHead(status, { ...(index === undefined ? {} : { 'x-consul-index': index }), ...headers });
    response.end(typeof body === 'string' ? body : JSON.stringify(body));
  };
  const server = tls ? createTlsServer(tls, listener) : createServer(listener);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    address: `${tls ? 'https' : 'http'}://127.0.0.1:${port}`,
    requests,
    get aborted() {
      return aborted;
    },
    body: async (at) => JSON.parse(await bodies[at]!),
    indexes: () =>
      requests
        .filter(({ url }) => url!.startsWith('/v1/health/service/'))
        .map(({ url }) => new URL(url!, 'http://consul').searchParams.get('index') ?? ''),
    async close() {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}

/** An entry of the health endpoint, as Consul sends it. */
export function entry(id: string, service: object = {}, more: object = {}): object {
  return {
    Node: { Node: 'agent-1', Address: '10.0.0.9', Datacenter: 'dc1' },
    Service: { ID: id, Service: 'web', Tags: [], Address: '10.0.0.1', Port: 80, Meta: null, ...service },
    Checks: [{ CheckID: 'serfHealth', Status: 'passing', Output: '' }],
    ...more,
  };
}
