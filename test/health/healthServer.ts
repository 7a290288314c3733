/** Servers for the health checks, and what it takes to watch the answers. */

import { create } from '@bufbuild/protobuf';
import { Server, ServerCredentials, status, type ServerUnaryCall, type ServerWritableStream } from '@grpc/grpc-js';
import {
  filter,
  firstValueFrom,
  ReplaySubject,
  take,
  timeout,
  toArray,
  type Observable,
  type Subscription,
} from 'rxjs';
import type { Channel } from '../../src/core/channel.js';
import { methodOf, type Method } from '../../src/core/method.js';
import { createNode } from '../../src/core/node.js';
import {
  Health,
  HealthCheckResponseSchema,
  HealthCheckResponse_ServingStatus as Status,
  type HealthCheckRequest,
  type HealthCheckResponse,
} from '../../src/gen/grpc/health_pb.js';
import { Inference } from '../../src/gen/lumen/inference_pb.js';
import type { HealthTarget } from '../../src/health/healthCheck.js';
import { grpcTransport } from '../../src/transport/grpc.js';

const cleanUp: (() => void)[] = [];

/** Ends whatever a case has opened here. */
export function closeAll(): void {
  for (const each of cleanUp.splice(0).reverse()) each();
}

/** A node with the health service of gRPC, whose status the test sets; `methods` it has besides or instead. */
export class HealthServer {
  readonly #server = new Server();
  readonly #watchers = new Set<ServerWritableStream<HealthCheckRequest, HealthCheckResponse>>();
  #status = Status.SERVING;
  checks = 0;
  port = 0;

  get watchers(): number {
    return this.#watchers.size;
  }

  constructor(methods: readonly ('watch' | 'check' | 'lumen')[]) {
    const serve = (method: Method<never, never>, handler: object) => {
      this.#server.register(
        method.path,
        handler as never,
        (message: never) => Buffer.from(toBytes(method, message)),
        (bytes: Buffer) => fromBytes(method, bytes),
        method.kind === 'unary' ? 'unary' : 'serverStream',
      );
    };
    if (methods.includes('check')) {
      serve(
        methodOf(Health.method.check) as never,
        (
          _: ServerUnaryCall<HealthCheckRequest, HealthCheckResponse>,
          done: (e: null, r: HealthCheckResponse) => void,
        ) => {
          this.checks++;
          done(null, this.#answer());
        },
      );
    }
    if (methods.includes('watch')) {
      serve(
        methodOf(Health.method.watch) as never,
        (call: ServerWritableStream<HealthCheckRequest, HealthCheckResponse>) => {
          this.#watchers.add(call);
          call.on('cancelled', () => this.#watchers.delete(call));
          call.on('close', () => this.#watchers.delete(call));
          call.write(this.#answer());
        },
      );
    }
    if (methods.includes('lumen')) {
      serve(methodOf(Inference.method.health) as never, (_: unknown, done: (e: null, r: object) => void) =>
        done(null, {}),
      );
    }
  }

  async start(): Promise<this> {
    this.port = await new Promise<number>((resolve, reject) =>
      this.#server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) =>
        error ? reject(error) : resolve(port),
      ),
    );
    cleanUp.push(() => this.#server.forceShutdown());
    return this;
  }

  stop(): void {
    this.#server.forceShutdown();
  }

  set status(next: Status) {
    this.#status = next;
    for (const call of this.#watchers) call.write(this.#answer());
  }

  breakWatches(): void {
    for (const call of this.#watchers) call.emit('error', { code: status.UNAVAILABLE, details: 'restarting' });
  }

  #answer(): HealthCheckResponse {
    return create(HealthCheckResponseSchema, { status: this.#status });
  }
}

function toBytes(method: Method<never, never>, message: never): Uint8Array {
  const { output } = method.descriptor;
  return methodOf({ ...method.descriptor, input: output } as never).encode(message);
}

function fromBytes(method: Method<never, never>, bytes: Uint8Array): never {
  const { input } = method.descriptor;
  return methodOf({ ...method.descriptor, output: input } as never).decode(bytes) as never;
}

/** A node at this port, with a channel to it. */
export const targetAt = (port: number): HealthTarget => {
  const node = createNode({ id: 'node', address: `127.0.0.1:${port}`, availability: 'ready' });
  const channel: Channel = grpcTransport().open(node);
  cleanUp.push(() => channel.close());
  return { node, channel };
};

/** Subscribes once; then each expectation waits for its value. */
export function follow<T>(value$: Observable<T>) {
  const seen$ = new ReplaySubject<T>();
  const subscription: Subscription = value$.subscribe(seen$);
  cleanUp.push(() => subscription.unsubscribe());
  return {
    subscription,
    first: (test: (value: T) => boolean) => firstValueFrom(seen$.pipe(filter(test), timeout(10_000))),
    inAll: (count: number) => firstValueFrom(seen$.pipe(take(count), toArray(), timeout(10_000))),
  };
}

export const until = async (test: () => boolean) => {
  for (const limit = Date.now() + 10_000; !test() && Date.now() < limit;) await new Promise((r) => setTimeout(r, 5));
  expect(test()).toBe(true);
};
