/** One method of a gRPC service: its path, its shape, and how its messages become bytes. */

import {
  create,
  fromBinary,
  toBinary,
  type DescMessage,
  type DescMethod,
  type MessageInitShape,
  type MessageShape,
} from '@bufbuild/protobuf';
import { MethodOptions_IdempotencyLevel } from '@bufbuild/protobuf/wkt';

export type MethodKind = 'unary' | 'serverStreaming' | 'clientStreaming' | 'bidiStreaming';

/**
 * Is it safe to call twice? From the `idempotency_level` of the proto.
 * `unknown` methods are repeated only when the first try surely never reached a node, or the caller says so.
 */
export type Idempotency = 'unknown' | 'noSideEffects' | 'idempotent';

export interface Method<I = unknown, O = unknown> {
  /** `/package.Service/Method`, as on the wire. */
  readonly path: string;
  readonly kind: MethodKind;
  readonly idempotency: Idempotency;
  /** From the short form that users write to a whole message. */
  readonly message: (init: unknown) => I;
  readonly encode: (message: I) => Uint8Array;
  readonly decode: (bytes: Uint8Array) => O;
  /** The descriptor it came from, for transports that serialise by themselves. */
  readonly descriptor: DescMethod;
}

const known = new WeakMap<DescMethod, Method<never, unknown>>();

const kinds = {
  unary: 'unary',
  server_streaming: 'serverStreaming',
  client_streaming: 'clientStreaming',
  bidi_streaming: 'bidiStreaming',
} as const satisfies Record<DescMethod['methodKind'], MethodKind>;

const idempotencies: Readonly<Record<number, Idempotency>> = {
  [MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS]: 'noSideEffects',
  [MethodOptions_IdempotencyLevel.IDEMPOTENT]: 'idempotent',
};

/** The method of a protobuf-es descriptor, such as `Greeter.method.sayHello`; made once a descriptor. */
export function methodOf<D extends DescMethod>(
  descriptor: D,
): Method<MessageShape<D['input']>, MessageShape<D['output']>> {
  let method = known.get(descriptor);
  if (!method) {
    const { input, output } = descriptor as { input: DescMessage; output: DescMessage };
    method = {
      path: `/${descriptor.parent.typeName}/${descriptor.name}`,
      kind: kinds[descriptor.methodKind],
      idempotency: idempotencies[descriptor.idempotency] ?? 'unknown',
      message: (init) => create(input, init as MessageInitShape<typeof input>) as never,
      encode: (message) => toBinary(input, message),
      decode: (bytes) => fromBinary(output, bytes),
      descriptor,
    };
    known.set(descriptor, method);
  }
  return method as never;
}
