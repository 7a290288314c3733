/** Why a connection did not come about, in words that say what to do. */

import type { ResolvedTransportOptions } from './transportOptions.js';

/** Makes a reason of what Node.js or OpenSSL says. */
export function dialFailure(text: string, { tls }: Pick<ResolvedTransportOptions, 'tls'>): string {
  // 80BC…:error:0A00045C:SSL routines:ssl3_read_bytes:tlsv13 alert certificate required:../deps/…:SSL alert number 116
  const said = /error:\w+:SSL routines:[^:]*:([^:]+):/.exec(text)?.[1] ?? text.trim();
  if (!tls) return said;
  if (/alert (certificate required|handshake failure|bad certificate|unknown ca)/.test(said)) {
    return `TLS failed, the node wants another certificate of ours (tls.cert, tls.key): ${said}`;
  }
  if (/certif|self.signed|altname/i.test(said)) return `TLS failed, check tls.ca and tls.serverName: ${said}`;
  if (/wrong version number|packet length too long/.test(said))
    return `TLS failed, the node may speak plain text: ${said}`;
  return said;
}
