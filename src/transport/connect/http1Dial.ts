/** Over HTTP/1.1 there is no connection to hold: connect-node opens and keeps them by itself, through an agent. */

import * as http from 'node:http';
import * as https from 'node:https';
import type { Address } from '../../core/address.js';
import { authorityOf } from '../authorityOf.js';
import { dialFailure } from '../dialFailure.js';
import type { Dial, DialEvents } from '../dialer.js';
import type { SessionCall } from '../sessionCall.js';
import type { ResolvedTransportOptions } from '../transportOptions.js';
import { http1Client, type Protocol } from './connectClient.js';
import type { ConnectSession } from './connectSession.js';
import { dialSocket, tlsOptionsOf } from './dialSocket.js';
import { originOf } from './originOf.js';

/** Dials once to see whether somebody is there; the calls make their own connections. */
export function http1Dial(options: ResolvedTransportOptions, protocol: Protocol): Dial<ConnectSession> {
  return (address, events) => {
    const calls = new Set<SessionCall>();
    const agent = new (options.tls ? https.Agent : http.Agent)({ keepAlive: true });
    const nodeOptions = {
      ...tlsOptionsOf(options),
      ...(options.tls?.serverName ? { servername: options.tls.serverName } : {}),
      host: address.host,
      agent,
    };
    const session: ConnectSession = {
      authority: authorityOf(address),
      client: http1Client(protocol, originOf(address, options), nodeOptions, options),
      calls,
      broken: () => events.lost('unknown'),
      retire(ended) {
        agent.destroy();
        ended();
      },
      close() {
        probe.destroy();
        for (const call of calls) call.abandon();
        agent.destroy();
      },
    };
    const probe = probeSocket(address, options, events, () => session);
    return session;
  };
}

/** Over HTTP/1.1 a dial only asks whether somebody is there. */
function probeSocket(
  address: Address,
  options: ResolvedTransportOptions,
  events: DialEvents<ConnectSession>,
  session: () => ConnectSession,
) {
  const probe = dialSocket(address, options, 'http/1.1');
  probe.once(options.tls ? 'secureConnect' : 'connect', () => {
    probe.destroy();
    events.ready(session());
  });
  probe.on('error', (error) => events.failed(dialFailure(error.message, options)));
  return probe;
}
