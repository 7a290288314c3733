/** A socket to one address, in plain text or over TLS. */

import * as net from 'node:net';
import * as tls from 'node:tls';
import type { Address } from '../../core/address.js';
import type { ResolvedTransportOptions } from '../transportOptions.js';

/** A socket that connects. */
export function dialSocket({ host, port }: Address, options: ResolvedTransportOptions, protocol = 'h2'): net.Socket {
  if (!options.tls) return net.connect({ host, port, noDelay: true });
  const serverName = options.tls.serverName ?? (net.isIP(host) ? undefined : host);
  const socket = tls.connect({
    host,
    port,
    ...tlsOptionsOf(options),
    ALPNProtocols: [protocol],
    ...(serverName ? { servername: serverName } : {}),
  });
  socket.setNoDelay(true);
  return socket;
}

/** The part of the options that Node.js understands. */
export function tlsOptionsOf({ tls: given }: ResolvedTransportOptions): tls.SecureContextOptions & {
  rejectUnauthorized?: boolean;
} {
  if (!given) return {};
  const pem = (value: string | Uint8Array) => (typeof value === 'string' ? value : Buffer.from(value));
  return {
    ...(given.ca ? { ca: pem(given.ca) } : {}),
    ...(given.cert ? { cert: pem(given.cert) } : {}),
    ...(given.key ? { key: pem(given.key) } : {}),
    rejectUnauthorized: given.rejectUnauthorized ?? true,
  };
}
