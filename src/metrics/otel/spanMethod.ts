/** What the spans of a method are called, and what they say from the beginning. */

import type { Attributes } from '@opentelemetry/api';
import type { AttemptStarted } from '../../call/callEvent.js';

export interface SpanMethod {
  readonly sent: string;
  readonly attempt: string;
  /** Of each call. */
  readonly ofCall: Attributes;
  readonly ofAttempt: (attempt: AttemptStarted) => Attributes;
}

/**
 * @param name As `demo.Greeter/SayHello`; `other` for those that are too many to be told apart.
 * @param target The service of the client; empty where it has none.
 */
export function spanMethod(name: string, target: string): SpanMethod {
  // As grpc-go and grpc-java write it; gRFC A72 does not say.
  const dotted = name.replaceAll('/', '.');
  // The work of a pool is no RPC.
  const isRpc = name.includes('/') || name === 'other';
  const method = name === 'other' ? '_OTHER' : name;
  return {
    sent: `Sent.${dotted}`,
    attempt: `Attempt.${dotted}`,
    ofCall: {
      ...(isRpc && { 'rpc.system.name': 'grpc', 'rpc.method': method }),
      ...(target !== '' && { 'server.address': target }),
    },
    ofAttempt: isRpc ? (attempt) => rpcAttempt(attempt, method) : workAttempt,
  };
}

// Literals without a spread, which would cost a quarter of all that spans cost.
function rpcAttempt({ previous, reason, node }: AttemptStarted, method: string): Attributes {
  return {
    'rpc.system.name': 'grpc',
    'rpc.method': method,
    'previous-rpc-attempts': previous,
    'transparent-retry': reason === 'transparent',
    'rxfleet.attempt.reason': reason,
    'rxfleet.node.id': node.id,
    'server.address': node.address.host,
    'server.port': node.address.port,
  };
}

function workAttempt({ previous, reason, node }: AttemptStarted): Attributes {
  return {
    'previous-rpc-attempts': previous,
    'transparent-retry': reason === 'transparent',
    'rxfleet.attempt.reason': reason,
    'rxfleet.node.id': node.id,
    'server.address': node.address.host,
    'server.port': node.address.port,
  };
}
