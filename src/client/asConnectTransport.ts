/** The fleet behind @connectrpc/connect: any client generated for it, with discovery, balancing and failover. */

import type { DescMethod, MessageShape } from '@bufbuild/protobuf';
import type { ConnectError, Transport } from '@connectrpc/connect';
import type { Observable } from 'rxjs';
import { toAsyncIterable } from '../call/toAsyncIterable.js';
import { grpcStatusNames, grpcStatusOf } from '../core/errorCodes.js';
import { FleetError } from '../core/fleetError.js';
import type { Metadata, MetadataValue } from '../core/metadata.js';
import { methodOf } from '../core/method.js';
import type { Caller, CallSpec } from './callSpec.js';

/**
 * A Connect `Transport` over a fleet. Deadline, headers, trailers and cancellation pass through; errors are
 * `ConnectError`s whose `cause` is the `FleetError` with its attempts.
 */
export function asConnectTransport(fleet: Caller): Transport {
  return {
    async unary(method, signal, timeoutMs, header, input) {
      const { message } = methodOf(method);
      const call = begin(fleet, method, signal, timeoutMs, header, () => message(input));
      const { value } = await call.messages.next();
      await call.messages.next();
      const { header: headers, trailer } = call;
      return { stream: false, service: method.parent, method, header: headers, trailer, message: value! };
    },
    async stream(method, signal, timeoutMs, header, input) {
      const { kind, message } = methodOf(method);
      // A generator can be read once: with one message it is kept, so that another attempt can send it again.
      const request = kind === 'serverStreaming' ? message(await firstOf(input)) : undefined;
      const inputs = async function* () {
        for await (const item of input) yield message(item);
      };
      const call = begin(fleet, method, signal, timeoutMs, header, () => request ?? (inputs() as never));
      const first = call.messages.next();
      await Promise.race([call.headersCame, first]);
      const { header: headers, trailer } = call;
      const replies = (async function* () {
        try {
          const head = await first;
          if (head.done) return;
          yield head.value;
          yield* call.messages;
        } finally {
          // Who leaves at the first message leaves the others too.
          await call.messages.return(undefined);
        }
      })();
      return { stream: true, service: method.parent, method, header: headers, trailer, message: replies };
    },
  };
}

interface Begun<O> {
  readonly header: Headers;
  readonly trailer: Headers;
  readonly headersCame: Promise<void>;
  readonly messages: AsyncGenerator<O, undefined>;
}

function begin<M extends DescMethod>(
  fleet: Caller,
  descriptor: M,
  signal: AbortSignal | undefined,
  timeoutMs: number | undefined,
  headers: ConstructorParameters<typeof Headers>[0],
  request: CallSpec<MessageShape<M['input']>, MessageShape<M['output']>>['request'],
): Begun<MessageShape<M['output']>> {
  const header = new Headers();
  const trailer = new Headers();
  let cameHeaders = () => {};
  const headersCame = new Promise<void>((resolve) => (cameHeaders = resolve));
  const answers$ = fleet.call({
    method: methodOf(descriptor),
    request,
    metadata: metadataOf(new Headers(headers)),
    ...(timeoutMs === undefined ? {} : { deadlineMs: timeoutMs }),
    onHeaders: (metadata) => {
      copy(metadata, header);
      cameHeaders();
    },
    onTrailers: (metadata) => copy(metadata, trailer),
  });
  return { header, trailer, headersCame, messages: abortable(answers$, signal, trailer) };
}

async function* abortable<O>(
  answers$: Observable<O>,
  signal: AbortSignal | undefined,
  trailer: Headers,
): AsyncGenerator<O, undefined> {
  const answers = toAsyncIterable(answers$)[Symbol.asyncIterator]();
  const abort = () => void answers.return?.();
  signal?.addEventListener('abort', abort);
  try {
    for (;;) {
      signal?.throwIfAborted();
      const answer = await answers.next();
      signal?.throwIfAborted();
      if (answer.done) return undefined;
      yield answer.value;
    }
  } catch (thrown) {
    throw await connectError(thrown, signal, trailer);
  } finally {
    signal?.removeEventListener('abort', abort);
    abort();
  }
}

async function connectError(thrown: unknown, signal: AbortSignal | undefined, trailer: Headers): Promise<ConnectError> {
  // Loaded only by those who use it, so that the main door stays free of it.
  const { ConnectError: Known, Code } = await import('@connectrpc/connect');
  if (signal?.aborted) return Known.from(signal.reason, Code.Canceled);
  const error = FleetError.from(thrown);
  const code = grpcStatusNames.indexOf(grpcStatusOf(error.code));
  return new Known(error.message, code > 0 ? code : Code.Unknown, trailer, undefined, error);
}

async function firstOf<T>(input: AsyncIterable<T>): Promise<T> {
  for await (const item of input) return item;
  throw new FleetError('INVALID_ARGUMENT', 'the call was given no message');
}

function metadataOf(headers: Headers): Metadata {
  const metadata: Record<string, MetadataValue> = {};
  headers.forEach((value, key) => {
    metadata[key] = key.endsWith('-bin') ? Buffer.from(value, 'base64') : value;
  });
  return metadata;
}

function copy(metadata: Metadata, headers: Headers): void {
  for (const [key, values] of Object.entries(metadata)) {
    for (const value of Array.isArray(values) ? (values as readonly MetadataValue[]) : [values as MetadataValue]) {
      headers.append(key, typeof value === 'string' ? value : Buffer.from(value).toString('base64'));
    }
  }
}
