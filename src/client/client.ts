/** A typed client of one service: its methods, each returning an Observable. */

import type { DescMethod, DescService, MessageInitShape, MessageShape } from '@bufbuild/protobuf';
import { from, map, Observable, type ObservableInput } from 'rxjs';
import type { Resume } from '../call/resume.js';
import { FleetError } from '../core/fleetError.js';
import { methodOf, type Method } from '../core/method.js';
import type { Caller, RpcOptions } from './callSpec.js';

/** The methods of a service. Those that stream requests take any source of them; all return cold Observables. */
export type Client<S extends DescService> = {
  readonly [K in keyof S['method']]: ClientMethod<S['method'][K]>;
};

/** One method, by the shape of its call. */
export type ClientMethod<M extends DescMethod> = M['methodKind'] extends 'unary' | 'server_streaming'
  ? (
      request: MessageInitShape<M['input']>,
      options?: M['methodKind'] extends 'unary'
        ? RpcOptions
        : RpcOptions & ResumeOptions<MessageShape<M['input']>, MessageShape<M['output']>>,
    ) => Observable<MessageShape<M['output']>>
  : (
      requests: ObservableInput<MessageInitShape<M['input']>>,
      options?: RpcOptions,
    ) => Observable<MessageShape<M['output']>>;

/** How a stream of answers goes on after a break. */
export interface ResumeOptions<I, O> {
  /** Default: not at all, since what was said would be said twice. */
  readonly resume?: Resume<I, O>;
}

/**
 * A client of a service over a fleet, typed from its protobuf-es descriptor.
 *
 * ```ts
 * const greeter = createClient(fleet, Greeter);
 * greeter.sayHello({ name: 'Ada' }).subscribe(console.log);
 * greeter.lotsOfReplies({ name: 'Ada' }).pipe(take(3)).subscribe(console.log); // the third value cancels the stream
 * ```
 *
 * Streams of requests that are AsyncIterables are pulled as fast as the wire takes them; an Observable of requests is
 * subscribed anew for each attempt. Where a second attempt finds a generator that the first has read, the call fails with
 * `FAILED_PRECONDITION`: sending what is left of it would lose messages.
 */
export function createClient<S extends DescService>(fleet: Caller, service: S): Client<S> {
  const methods = service.methods.map((descriptor) => {
    const method = methodOf(descriptor) as unknown as Method;
    return [descriptor.localName, call(fleet, method)];
  });
  return Object.fromEntries(methods) as Client<S>;
}

function call(fleet: Caller, method: Method) {
  const { kind, message } = method;
  if (kind === 'unary' || kind === 'serverStreaming') {
    return (request: unknown, options?: RpcOptions & ResumeOptions<unknown, unknown>) => {
      let whole: unknown;
      const first = () => (whole ??= message(request));
      if (options === undefined) return fleet.call({ method, request: first });
      const { resume: strategy } = options;
      if (strategy === undefined) return fleet.call({ ...options, resume: undefined, method, request: first });
      const resume = { strategy, request: first() };
      return fleet.call<unknown, unknown, unknown, unknown>({ ...options, method, request: (_, rest) => rest, resume });
    };
  }
  return (requests: ObservableInput<unknown>, options?: RpcOptions) => {
    let read = false;
    const request = () => {
      if (read && readableOnce(requests)) {
        const what = `${method.path}: its requests were read by the attempt before and cannot be read again`;
        throw new FleetError('FAILED_PRECONDITION', `${what}: give an array or an Observable, or set retry: false`);
      }
      read = true;
      return messages(requests, message);
    };
    return fleet.call({ ...options, method, request });
  };
}

/** True for generators and their like: a second reading would find them at their end, and send nothing. */
function readableOnce(source: ObservableInput<unknown>): boolean {
  if (source instanceof Observable) return false;
  if (Symbol.asyncIterator in source) return (source[Symbol.asyncIterator]() as unknown) === source;
  return Symbol.iterator in source && (source[Symbol.iterator]() as unknown) === source;
}

/** The whole messages of a source, still pulled where the source can be pulled. */
function messages(source: ObservableInput<unknown>, message: (init: unknown) => unknown): ObservableInput<unknown> {
  if (source instanceof Observable) return source.pipe(map(message));
  if (Symbol.asyncIterator in source) return pulled(source, message);
  if (Symbol.iterator in source) return mapped(source, message);
  return from(source).pipe(map(message));
}

async function* pulled(source: AsyncIterable<unknown>, message: (init: unknown) => unknown): AsyncGenerator<unknown> {
  for await (const item of source) yield message(item);
}

function* mapped(source: Iterable<unknown>, message: (init: unknown) => unknown): Generator<unknown> {
  for (const item of source) yield message(item);
}
