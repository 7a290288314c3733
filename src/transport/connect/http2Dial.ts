/** How connect-node gets an HTTP/2 connection that the `Dialer` has asked for, instead of one of its own. */

import { authorityOf } from '../authorityOf.js';
import type { Dial } from '../dialer.js';
import type { SessionCall } from '../sessionCall.js';
import type { ResolvedTransportOptions } from '../transportOptions.js';
import { http2Client, type Protocol, type StreamSource } from './connectClient.js';
import { lostBeforeSent } from './connectFailure.js';
import type { ConnectSession } from './connectSession.js';
import { Http2Session } from './http2Session.js';

/** Dials; calls go over the connection that came of it, and no other. */
export function http2Dial(options: ResolvedTransportOptions, protocol: Protocol): Dial<ConnectSession> {
  return (address, events) => {
    const calls = new Set<SessionCall>();
    const h2 = new Http2Session(address, options, {
      ready: () => events.ready(session),
      failed: (reason) => events.failed(reason),
      lost: (because) => events.lost(because),
    });
    const authority = authorityOf(address);
    const streams: StreamSource = {
      authority: h2.origin,
      request: async (method, path, headers) => {
        try {
          return h2.request({ ...headers, ':method': method, ':path': path });
        } catch {
          throw lostBeforeSent(authority);
        }
      },
      notifyResponseByteRead: () => h2.alive(),
    };
    const session: ConnectSession = {
      authority,
      client: http2Client(protocol, streams, options),
      calls,
      broken() {},
      retire: (ended) => h2.retire(ended),
      close() {
        for (const call of calls) call.abandon();
        h2.close();
      },
    };
    return session;
  };
}
