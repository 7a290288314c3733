import { create } from '@bufbuild/protobuf';
import { Server, ServerCredentials, status, type ServerUnaryCall, type ServerWritableStream } from '@grpc/grpc-js';
import { createServer } from 'node:net';
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
import { NodeSet } from '../../src/core/nodeSet.js';
import {
  Health,
  HealthCheckResponseSchema,
  HealthCheckResponse_ServingStatus as Status,
} from '../../src/gen/grpc/health_pb.js';
import type { HealthCheckRequest, HealthCheckResponse } from '../../src/gen/grpc/health_pb.js';
import { Inference } from '../../src/gen/lumen/inference_pb.js';
import { activeHealth } from '../../src/health/activeHealth.js';
import { grpcHealth } from '../../src/health/grpcHealth.js';
import type { HealthTarget, Verdict } from '../../src/health/healthCheck.js';
import { healthOf, type HealthChange } from '../../src/health/healthOf.js';
import { lumenHealth } from '../../src/health/lumenHealth.js';
import { tcpHealth } from '../../src/health/tcpHealth.js';
import { grpcTransport } from '../../src/transport/grpc.js';

const cleanUp: (() => void)[] = [];
afterEach(() => {
  for (const each of cleanUp.splice(0).reverse()) each();
});

/** A node with the health service of gRPC, whose status the test sets; `methods` it has besides or instead. */
class HealthServer {
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

const targetAt = (port: number): HealthTarget => {
  const node = createNode({ id: 'node', address: `127.0.0.1:${port}`, availability: 'ready' });
  const channel: Channel = grpcTransport().open(node);
  cleanUp.push(() => channel.close());
  return { node, channel };
};

/** Subscribes once; then each expectation waits for its value. */
function follow<T>(value$: Observable<T>) {
  const seen$ = new ReplaySubject<T>();
  const subscription: Subscription = value$.subscribe(seen$);
  cleanUp.push(() => subscription.unsubscribe());
  return {
    subscription,
    first: (test: (value: T) => boolean) => firstValueFrom(seen$.pipe(filter(test), timeout(10_000))),
    inAll: (count: number) => firstValueFrom(seen$.pipe(take(count), toArray(), timeout(10_000))),
  };
}

const until = async (test: () => boolean) => {
  for (const limit = Date.now() + 10_000; !test() && Date.now() < limit;) await new Promise((r) => setTimeout(r, 5));
  expect(test()).toBe(true);
};

describe('grpcHealth against a server', () => {
  it('is told by a watch, and cancels it on the wire when unsubscribed', async () => {
    const server = await new HealthServer(['watch', 'check']).start();
    const verdicts = follow(grpcHealth()(targetAt(server.port)));
    await verdicts.first(({ serving }) => serving);
    server.status = Status.NOT_SERVING;
    expect(await verdicts.first(({ serving }) => !serving)).toMatchObject({
      sure: true,
      reason: expect.stringContaining('NOT_SERVING'),
    });
    expect(server.watchers).toBe(1);
    verdicts.subscription.unsubscribe();
    await until(() => server.watchers === 0);
    expect(server.checks).toBe(0);
  });

  it('opens the watch again after it broke', async () => {
    const server = await new HealthServer(['watch']).start();
    const verdicts = follow(grpcHealth({ backoff: { initialBackoffMs: 5 } })(targetAt(server.port)));
    await verdicts.inAll(1);
    server.breakWatches();
    const [first, second, third] = await verdicts.inAll(3);
    expect([first, second, third].map((verdict) => verdict!.serving)).toEqual([true, false, true]);
    expect(second).toMatchObject({ reason: expect.stringContaining('restarting') });
  });

  it('falls back to Check where there is no Watch', async () => {
    const server = await new HealthServer(['check']).start();
    const target = targetAt(server.port);
    const check = grpcHealth();
    expect(await firstValueFrom(check(target))).toMatchObject({ serving: true });
    server.status = Status.NOT_SERVING;
    expect(await firstValueFrom(check(target))).toMatchObject({ serving: false });
    expect(server.checks).toBe(2);
  });

  it('counts a node without the health service as healthy, and asks no more', async () => {
    const server = await new HealthServer(['lumen']).start();
    const health = activeHealth(grpcHealth(), { initialJitterMs: 0, intervalMs: 1 })(targetAt(server.port));
    expect(await follow(health).first(() => true)).toEqual({ health: 'serving', reason: undefined });
  });
});

describe('lumenHealth against a server', () => {
  it('is good where the service answers, or does not know the question', async () => {
    const lumen = await new HealthServer(['lumen']).start();
    const other = await new HealthServer(['check']).start();
    for (const { port } of [lumen, other]) {
      expect(await firstValueFrom(lumenHealth()(targetAt(port)))).toEqual({ serving: true });
    }
  });

  it('fails where nobody answers', async () => {
    const server = await new HealthServer(['lumen']).start();
    const target = targetAt(server.port);
    await firstValueFrom(lumenHealth()(target));
    cleanUp.pop()!();
    await expect(firstValueFrom(lumenHealth()(target).pipe(timeout(10_000)))).rejects.toMatchObject({
      code: expect.stringMatching(/UNAVAILABLE|CLOSED|CANCELLED/),
    });
  });
});

describe('tcpHealth', () => {
  const verdictAt = (port: number): Promise<Verdict> =>
    firstValueFrom(tcpHealth()({ node: createNode({ address: `127.0.0.1:${port}` }), channel: {} as Channel }));

  it('is good where somebody listens, bad where nobody does, and leaves no connection behind', async () => {
    const open = new Set<unknown>();
    const server = createServer((socket) => {
      open.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => open.delete(socket));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    expect(await verdictAt(port)).toEqual({ serving: true });
    await until(() => open.size === 0);
    await new Promise((resolve) => server.close(resolve));
    const { serving, reason } = await verdictAt(port);
    expect(serving).toBe(false);
    expect(reason).toMatch(/nobody answers at 127\.0\.0\.1:\d+: .*ECONNREFUSED/);
  });
});

describe('healthOf with real servers', () => {
  it('follows each node of a set by its own check, and ends them all when unsubscribed', async () => {
    const [a, b] = await Promise.all([new HealthServer(['watch']).start(), new HealthServer(['watch']).start()]);
    const targets = new Map([a, b].map((server, i) => ['ab'[i]!, targetAt(server.port)]));
    const node = (id: string) => createNode({ ...targets.get(id)!.node, id });
    const set$ = new ReplaySubject<NodeSet>(1);
    set$.next(NodeSet.of([node('a'), node('b')]));
    const changes = follow<HealthChange>(
      healthOf(set$, ({ id }) => targets.get(id), activeHealth(grpcHealth(), { initialJitterMs: 0 })),
    );
    await changes.first(({ id, health }) => id === 'a' && health === 'serving');
    await changes.first(({ id, health }) => id === 'b' && health === 'serving');
    b.status = Status.NOT_SERVING;
    const out = await changes.first(({ id, health }) => id === 'b' && health === 'notServing');
    expect(out.reason).toContain('NOT_SERVING');
    changes.subscription.unsubscribe();
    await until(() => a.watchers + b.watchers === 0);
  });
});
