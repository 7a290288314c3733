/** What both ways of asking a broker need to know. */

import type { SchedulerLike } from 'rxjs';
import type { TlsOptions } from '../../transport/transportOptions.js';
import type { BrokerUrls } from './brokerUrls.js';

export interface BrokerSource {
  readonly urls: BrokerUrls;
  /** What `Node.service` says: a broker lists the nodes of one kind. */
  readonly service: string;
  readonly deployment: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly tls: TlsOptions | undefined;
  readonly pollMs: number;
  readonly timeoutMs: number;
  readonly pingMs: number;
  readonly pingTimeoutMs: number;
  readonly scheduler: SchedulerLike;
  /** What is known of this broker and pings, over all its connections. */
  readonly pings: { answered: boolean; ignored: number };
  readonly skipped: (message: string, cause?: unknown) => void;
}

/** The headers of each request. */
export function headersOf({ urls, headers }: BrokerSource): Record<string, string> {
  return { ...(urls.authorization === undefined ? {} : { authorization: urls.authorization }), ...headers };
}

/** How Node.js names the same TLS options. */
export function tlsOf({ tls }: BrokerSource): Record<string, unknown> {
  if (!tls) return {};
  const { ca, cert, key, serverName, rejectUnauthorized } = tls;
  const given = Object.entries({ ca, cert, key, servername: serverName, rejectUnauthorized });
  return Object.fromEntries(given.filter(([, value]) => value !== undefined));
}
