/** A small OAuth 2 token endpoint on loopback, over a real socket. */

import { createServer, type IncomingHttpHeaders } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';

export interface TokenRequest {
  readonly method: string | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly fields: URLSearchParams;
}

export interface TokenAnswer {
  readonly status?: number;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** Never answers. */
  readonly hang?: boolean;
}

export interface TokenServer {
  readonly url: string;
  readonly requests: readonly TokenRequest[];
  /** Connections that the client has closed before an answer. */
  readonly aborted: () => number;
  close(): Promise<void>;
}

export async function startTokenServer(
  answer: (request: TokenRequest, count: number) => TokenAnswer,
): Promise<TokenServer> {
  const requests: TokenRequest[] = [];
  let aborted = 0;
  const server = createServer((incoming, outgoing) => {
    const chunks: Buffer[] = [];
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
    outgoing.on('close', () => outgoing.writableEnded || aborted++);
    incoming.on('end', () => {
      const fields = new URLSearchParams(Buffer.concat(chunks).toString());
      const request = { method: incoming.method, headers: incoming.headers, fields };
      requests.push(request);
      const { status = 200, body = {}, headers, hang } = answer(request, requests.length);
      if (hang) return;
      outgoing.writeHead(status, { 'content-type': 'application/json', ...headers });
      outgoing.end(typeof body === 'string' ? body : JSON.stringify(body));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`,
    requests,
    aborted: () => aborted,
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
