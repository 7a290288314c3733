/** From what the user writes to the addresses that are asked. */

import { FleetError } from '../../core/fleetError.js';

export interface BrokerUrls {
  /** `ws:` or `wss:`, with `/v1/nodes/watch`. */
  readonly watch: string;
  /** `http:` or `https:`, with `/v1/nodes`. */
  readonly nodes: string;
  /** For messages: without user, password and query. */
  readonly shown: string;
  /** The `authorization` that a user and password in the URL mean. */
  readonly authorization: string | undefined;
}

const schemes = ['http:', 'https:', 'ws:', 'wss:'];

/**
 * Reads `http(s)://…`, `ws(s)://…` or `host:port`.
 *
 * @throws FleetError `INVALID_OPTION` when it is no URL of a broker.
 */
export function brokerUrls(url: string): BrokerUrls {
  const base = parsed(url);
  const secure = base.protocol === 'https:' || base.protocol === 'wss:';
  const path = base.pathname.replace(/\/+$/, '').replace(/\/v1(\/nodes(\/watch)?)?$/, '');
  const user = decodeURIComponent(base.username);
  const credentials = `${user}:${decodeURIComponent(base.password)}`;
  const at = (scheme: string, rest: string) => `${scheme}${secure ? 's' : ''}://${base.host}${path}${rest}`;
  return {
    watch: at('ws', '/v1/nodes/watch') + base.search,
    nodes: at('http', '/v1/nodes') + base.search,
    shown: at('http', ''),
    authorization: credentials === ':' ? undefined : `Basic ${Buffer.from(credentials).toString('base64')}`,
  };
}

function parsed(url: string): URL {
  const text = typeof url === 'string' ? url.trim() : '';
  const complete = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`;
  if (URL.canParse(complete)) {
    const base = new URL(complete);
    if (schemes.includes(base.protocol) && base.hostname !== '') return base;
  }
  // The text may hold a password, so it is not repeated.
  throw new FleetError('INVALID_OPTION', 'url must be that of a broker, such as http://127.0.0.1:5866, and is not');
}
