/** How a grpc-js channel connects: once, when told, to the one address that it has. */

import { dialFailure } from '../dialFailure.js';
import type { Dial } from '../dialer.js';
import type { ResolvedTransportOptions } from '../transportOptions.js';
import { registerEndpointResolver } from './endpointResolver.js';
import { GrpcJsState, type ChannelCredentials, type GrpcJsChannel } from './grpcJs.js';
import { noMetadata } from './grpcMetadata.js';
import { GrpcSession } from './grpcSession.js';

/** Dials by making grpc-js connect, and watching what becomes of it. */
export function grpcDial(options: ResolvedTransportOptions, credentials: ChannelCredentials): Dial<GrpcSession> {
  return (address, events) => {
    registerEndpointResolver();
    const session = new GrpcSession(address, options, credentials);
    const { channel } = session;
    let ready = false;
    const watch = (): void => {
      const state = channel.getConnectivityState(false);
      if (state === GrpcJsState.SHUTDOWN) return;
      channel.watchConnectivityState(state, Infinity, watch);
      if (ready) {
        // Why, grpc-js keeps to itself.
        if (state !== GrpcJsState.READY) events.lost('unknown');
      } else if (state === GrpcJsState.READY) {
        ready = true;
        events.ready(session);
      } else if (state === GrpcJsState.TRANSIENT_FAILURE) {
        whyFailed(channel, options, (reason) => events.failed(reason));
      }
    };
    watch();
    channel.getConnectivityState(true);
    return session;
  };
}

/** grpc-js tells why it cannot connect only to a call: so one is made, and fails without leaving the process. */
function whyFailed(channel: GrpcJsChannel, options: ResolvedTransportOptions, tell: (reason: string) => void): void {
  channel.createCall('/', Infinity, null, null, null).start(noMetadata(), {
    onReceiveMetadata() {},
    onReceiveMessage() {},
    onReceiveStatus({ details }) {
      const reason = /Last error: (?:\w*Error: )?(.*?)(?: \(\d{4}-\d\d-\d\dT[^)]*\))?\. Resolution note/s.exec(details);
      tell(dialFailure(reason?.[1] ?? details, options));
    },
  });
}
