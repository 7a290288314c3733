/** What the spans of a method are called, and what all of them say; made once for each. */

import type { Attributes } from '@opentelemetry/api';

export interface SpanMethod {
  readonly sent: string;
  readonly attempt: string;
  /** Of both. */
  readonly attributes: Attributes;
  /** Of a call. */
  readonly ofCall: Attributes;
}

/**
 * @param name As `demo.Greeter/SayHello`; `other` for those that are too many to be told apart.
 * @param target The service of the client; empty where it has none.
 */
export function spanMethod(name: string, target: string): SpanMethod {
  // As grpc-go and grpc-java write it; gRFC A72 does not say.
  const dotted = name.replaceAll('/', '.');
  // The work of a pool is no RPC.
  const rpc = name.includes('/') || name === 'other';
  const attributes = rpc ? { 'rpc.system.name': 'grpc', 'rpc.method': name === 'other' ? '_OTHER' : name } : {};
  return {
    sent: `Sent.${dotted}`,
    attempt: `Attempt.${dotted}`,
    attributes,
    ofCall: target === '' ? attributes : { ...attributes, 'server.address': target },
  };
}
