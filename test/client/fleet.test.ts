/** A fleet against real gRPC servers: what a user is promised of `createFleet` and `createClient`. */

import { filter, firstValueFrom, lastValueFrom, map, of, Subject, take, tap, toArray } from 'rxjs';
import {
  consistentHash,
  createClient,
  createFleet,
  FleetError,
  formatAddress,
  leastLoaded,
  NodeSet,
  roundRobin,
  staticNodes,
  toAsyncIterable,
  type AnyMiddleware,
  consume,
  type Client,
  type Fleet,
  type FleetOptions,
  type StaticNode,
} from '../../src/index.js';
import { Greeter } from '../../src/gen/demo/greeter_pb.js';
import { grpcTransport } from '../../src/transport/grpc.js';
import { startGreeter, type Greeter as Server } from '../support/greeter.js';
import { until } from '../support/until.js';

let servers: Server[] = [];
let fleet: Fleet | undefined;
afterEach(async () => {
  await fleet?.close({ drainMs: 0 });
  fleet = undefined;
  await Promise.all(servers.map((server) => server.close(0)));
  servers = [];
});

async function start(...names: string[]): Promise<void> {
  servers = await Promise.all(names.map((name) => startGreeter({ name })));
}

const nodesOf = (list: readonly Server[]): StaticNode[] => list.map(({ name, address }) => ({ id: name, address }));

function fleetOf(options: Partial<FleetOptions> = {}): Client<typeof Greeter> {
  fleet = createFleet({
    service: 'demo.Greeter',
    discovery: staticNodes(nodesOf(servers)),
    transport: grpcTransport(),
    ...options,
  });
  return createClient(fleet, Greeter);
}

const error = async (promise: Promise<unknown>): Promise<FleetError> => {
  const thrown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(thrown).toBeInstanceOf(FleetError);
  return thrown as FleetError;
};

const allReady = (size: number) =>
  firstValueFrom(
    fleet!.nodes$.pipe(filter((set) => set.nodes.filter((n) => n.availability === 'ready').length === size)),
  );

describe('the four shapes of call', () => {
  it('unary: one answer, then the end', async () => {
    await start('a');
    const replies = await lastValueFrom(fleetOf().sayHello({ name: 'Ada' }).pipe(toArray()));
    expect(replies).toHaveLength(1);
    expect(replies[0]).toMatchObject({ message: expect.stringContaining('Ada') as string, node: 'a' });
  });

  it('server streaming: every message in order', async () => {
    await start('a');
    const seq = await lastValueFrom(
      fleetOf()
        .lotsOfReplies({ name: 'Ada', replies: 100 })
        .pipe(
          map((reply) => reply.seq),
          toArray(),
        ),
    );
    expect(seq).toEqual(Array.from({ length: 100 }, (_, i) => seq[0]! + i));
  });

  it('client streaming: from an Observable, an array, an AsyncIterable', async () => {
    await start('a');
    const greeter = fleetOf();
    async function* names() {
      yield { name: 'x' };
      yield { name: 'y' };
    }
    for (const source of [of({ name: 'x' }, { name: 'y' }), [{ name: 'x' }, { name: 'y' }], names()]) {
      const { message } = await firstValueFrom(greeter.lotsOfGreetings(source));
      expect(message).toMatch(/x.*y/);
    }
  });

  it('bidirectional: both sides talk at once', async () => {
    await start('a');
    const say = new Subject<{ text: string }>();
    const heard: string[] = [];
    const chat = fleetOf()
      .chat(say)
      .subscribe(({ text }) => heard.push(text));
    await allReady(1);
    say.next({ text: 'hi' });
    await until('the first answer', () => heard.length === 1);
    say.next({ text: 'bye' });
    await until('the second answer', () => heard.length === 2);
    chat.unsubscribe();
    expect(heard.join()).toMatch(/hi.*bye/);
  });
});

describe('a call is cold', () => {
  it('nothing is sent before someone subscribes, and each subscription is a call of its own', async () => {
    await start('a');
    const call$ = fleetOf().count({ name: 'Ada' });
    await allReady(1);
    expect(servers[0]!.calls).toBe(0);
    await firstValueFrom(call$);
    await firstValueFrom(call$);
    expect(servers[0]!.callsOf.Count).toBe(2);
  });

  it('unsubscribing reaches the node at once: it stops working', async () => {
    await start('a');
    servers[0]!.faults({ hang: true });
    const subscription = fleetOf().sayHello({ name: 'Ada' }).subscribe();
    await until('the call has arrived', () => servers[0]!.active === 1);
    subscription.unsubscribe();
    await until('the node has seen the cancellation', () => servers[0]!.cancelled === 1);
    expect(fleet!.nodes$.value.get('a')!.stats).toMatchObject({ inFlight: 0, failures: 0, excused: 1 });
  });

  it('take(3) ends a stream on the wire after the third value', async () => {
    await start('a');
    const replies = await lastValueFrom(fleetOf().lotsOfReplies({ replies: 1_000_000 }).pipe(take(3), toArray()));
    expect(replies).toHaveLength(3);
    await until('the node has seen the cancellation', () => servers[0]!.cancelled === 1);
  });
});

describe('balancing', () => {
  it('spreads calls evenly over the nodes', async () => {
    await start('a', 'b', 'c');
    const greeter = fleetOf({ balancer: roundRobin() });
    await allReady(3);
    for (let i = 0; i < 30; i++) await firstValueFrom(greeter.sayHello({ name: 'x' }));
    expect(servers.map((server) => server.calls)).toEqual([10, 10, 10]);
  });

  it('sends equal keys to one node, and different keys to several', async () => {
    await start('a', 'b', 'c');
    const greeter = fleetOf({ balancer: consistentHash() });
    await allReady(3);
    const nodeOf = async (key: string) => (await firstValueFrom(greeter.sayHello({ name: 'x' }, { key }))).node;
    const first = await Promise.all(Array.from({ length: 20 }, (_, i) => nodeOf(`user-${i}`)));
    const second = await Promise.all(Array.from({ length: 20 }, (_, i) => nodeOf(`user-${i}`)));
    expect(second).toEqual(first);
    expect(new Set(first).size).toBeGreaterThan(1);
  });

  it('leaves a busy node alone', async () => {
    await start('a', 'b');
    const greeter = fleetOf({ balancer: leastLoaded() });
    await allReady(2);
    servers[0]!.faults({ hang: true });
    let answered = 0;
    const two = [1, 2].map(() =>
      greeter
        .sayHello({ name: 'x' }, { deadlineMs: 60_000 })
        .subscribe({ complete: () => answered++, error: () => undefined }),
    );
    await until('one call hangs and the other is over', () => servers[0]!.active === 1 && answered === 1);
    for (let i = 0; i < 10; i++) expect((await firstValueFrom(greeter.sayHello({ name: 'x' }))).node).toBe('b');
    for (const call of two) call.unsubscribe();
  });
});

describe('failover', () => {
  it('a node that dies under a call hands it to another, and nobody notices', async () => {
    await start('a', 'b');
    const greeter = fleetOf();
    await allReady(2);
    servers[0]!.faults({ hang: true });
    const replies = Promise.all([1, 2].map(() => firstValueFrom(greeter.sayHello({ name: 'x' }))));
    await until('a call hangs on a', () => servers[0]!.active === 1);
    servers[0]!.kill();
    expect((await replies).map((reply) => reply.node)).toEqual(['b', 'b']);
  });

  it('a dead node costs no call: the others take over before anything is sent', async () => {
    await start('a', 'b');
    const greeter = fleetOf();
    await allReady(2);
    await servers[0]!.close(0);
    for (let i = 0; i < 20; i++) expect((await firstValueFrom(greeter.sayHello({ name: 'x' }))).node).toBe('b');
  });

  it('a method that is not idempotent is not run twice, unless the caller allows it', async () => {
    await start('a', 'b');
    const greeter = fleetOf();
    await allReady(2);
    for (const server of servers) server.faults({ failWith: 'UNAVAILABLE' });
    const once = await error(firstValueFrom(greeter.count({ name: 'x' })));
    expect(once.attempts).toHaveLength(1);
    const twice = await error(
      firstValueFrom(greeter.count({ name: 'x' }, { failover: true, retry: { maxAttempts: 2 } })),
    );
    expect(twice.attempts.map((a) => a.node).sort()).toEqual(['a', 'b']);
  });

  it('the error names every node that was tried, with its address, code and time', async () => {
    await start('a', 'b', 'c');
    const greeter = fleetOf();
    await allReady(3);
    for (const server of servers) server.faults({ failWith: 'UNAVAILABLE' });
    const failed = await error(firstValueFrom(greeter.sayHello({ name: 'x' }, { retry: { initialBackoffMs: 1 } })));
    expect(failed.code).toBe('UNAVAILABLE');
    expect(failed.attempts.map((a) => a.node).sort()).toEqual(['a', 'b', 'c']);
    for (const { node, address, code, durationMs } of failed.attempts) {
      expect(address).toBe(servers.find((server) => server.name === node)!.address);
      expect(code).toBe('UNAVAILABLE');
      expect(durationMs).toBeGreaterThanOrEqual(0);
    }
    expect(failed.message).toMatch(/tried: . UNAVAILABLE/);
  });

  it('a stream that breaks after its first message errors instead of starting again', async () => {
    await start('a', 'b');
    const greeter = fleetOf();
    await allReady(2);
    for (const server of servers) server.faults({ breakAfter: 3 });
    const seen: number[] = [];
    const failed = await error(
      lastValueFrom(greeter.lotsOfReplies({ replies: 10 }).pipe(map((reply) => seen.push(reply.seq)))),
    );
    expect(failed.code).toBe('UNAVAILABLE');
    expect(seen.length).toBeLessThanOrEqual(3);
    expect(new Set(seen).size).toBe(seen.length);
    expect(servers[0]!.calls + servers[1]!.calls).toBe(1);
  });
});

describe('deadlines', () => {
  it('a node that accepts and never answers costs no more than the deadline', async () => {
    await start('a');
    servers[0]!.faults({ hang: true });
    const greeter = fleetOf();
    const failed = await error(firstValueFrom(greeter.sayHello({ name: 'x' }, { deadlineMs: 200 })));
    expect(failed.code).toBe('DEADLINE_EXCEEDED');
    expect(failed.attempts).toMatchObject([{ node: 'a', code: 'DEADLINE_EXCEEDED' }]);
    await until('the node was told to stop', () => servers[0]!.active === 0);
  });

  it('firstResponseTimeoutMs moves on to another node instead', async () => {
    await start('a', 'b');
    const greeter = fleetOf({ balancer: roundRobin() });
    await allReady(2);
    servers[0]!.faults({ hang: true });
    const replies = await Promise.all(
      [1, 2].map(() => firstValueFrom(greeter.sayHello({ name: 'x' }, { firstResponseTimeoutMs: 100 }))),
    );
    expect(replies.map((reply) => reply.node)).toEqual(['b', 'b']);
  });
});

describe('metadata', () => {
  it('goes to the node, and headers and trailers come back', async () => {
    await start('a');
    const headers: object[] = [];
    const greeter = fleetOf();
    await firstValueFrom(
      greeter.sayHello(
        { name: 'x' },
        { metadata: { 'x-tenant': 'a' }, onHeaders: (metadata) => headers.push(metadata) },
      ),
    );
    expect(servers[0]!.lastHeader('x-tenant')).toBe('a');
    expect(headers).toHaveLength(1);
  });
});

describe('who can take a call', () => {
  it('nobody: an error that names the nodes and why, at once', async () => {
    await start('a');
    const { address } = servers[0]!;
    await servers[0]!.close(0);
    const greeter = fleetOf({ discovery: staticNodes([{ id: 'a', address }]) });
    await firstValueFrom(fleet!.node$('a').pipe(filter((node) => node.availability === 'unavailable')));
    const failed = await error(firstValueFrom(greeter.sayHello({ name: 'x' })));
    expect(failed.code).toBe('NO_NODES');
    expect(failed.message).toMatch(/a: unavailable: .*ECONNREFUSED/);
  });

  it('waitForReady: the call waits until the node is up', async () => {
    await start('a');
    const { address, port } = servers[0]!;
    await servers[0]!.close(0);
    const greeter = fleetOf({
      discovery: staticNodes([{ id: 'a', address }]),
      transport: grpcTransport({ initialReconnectMs: 20 }),
    });
    const reply = firstValueFrom(greeter.sayHello({ name: 'x' }, { waitForReady: true }));
    await firstValueFrom(fleet!.node$('a').pipe(filter((node) => node.availability === 'unavailable')));
    servers = [await startGreeter({ name: 'a', port })];
    expect((await reply).node).toBe('a');
  });

  it('a node that joins takes calls, one that leaves gets none and finishes what it has', async () => {
    await start('a', 'b');
    const list = new Subject<readonly StaticNode[]>();
    const greeter = fleetOf({ discovery: staticNodes(list) });
    const waiting = firstValueFrom(greeter.sayHello({ name: 'x' }));
    list.next(nodesOf(servers.slice(0, 1)));
    expect((await waiting).node).toBe('a');
    servers[0]!.faults({ latencyMs: 100 });
    const slow = firstValueFrom(greeter.sayHello({ name: 'slow' }));
    await until('it is under way', () => servers[0]!.active === 1);
    list.next(nodesOf(servers.slice(1)));
    expect((await firstValueFrom(greeter.sayHello({ name: 'x' }))).node).toBe('b');
    expect((await slow).node).toBe('a');
    await until('the connection to a is gone', () => servers[0]!.connections === 0);
  });
});

describe('discovery', () => {
  it('is asked again about a node on which a call failed at the network, and about no other', async () => {
    await start('a', 'b');
    const asked: string[] = [];
    const known = staticNodes(nodesOf(servers));
    const greeter = fleetOf({
      discovery: (query) => {
        query.reconfirm$!.subscribe((id) => asked.push(id));
        return known(query);
      },
    });
    await allReady(2);
    servers[1]!.faults({ failWith: 'INVALID_ARGUMENT' });
    servers[0]!.faults({ hang: true });
    const replies = [1, 2].map(() =>
      firstValueFrom(greeter.sayHello({ name: 'x' }, { failover: false })).catch(() => 0),
    );
    await until('a call hangs on a', () => servers[0]!.active === 1);
    servers[0]!.kill();
    await Promise.all(replies);
    expect(asked).toEqual(['a']);
  });
});

describe('the node feeds', () => {
  it('nodes$ gives the world now, then each change; changes$ names it; node$ follows one node', async () => {
    await start('a');
    fleetOf();
    expect(fleet!.nodes$.value).toBeInstanceOf(NodeSet);
    const changes: string[] = [];
    fleet!.changes$.subscribe(({ updated }) => changes.push(...updated.map((n) => `${n.id} ${n.availability}`)));
    const node = await firstValueFrom(fleet!.node$('a').pipe(filter((n) => n.availability === 'ready')));
    expect(formatAddress(node.address)).toBe(servers[0]!.address);
    expect(changes.at(-1)).toBe('a ready');
  });

  it('outcomes$ tells how each attempt ended', async () => {
    await start('a');
    const greeter = fleetOf();
    const outcome = firstValueFrom(fleet!.outcomes$);
    await firstValueFrom(greeter.sayHello({ name: 'x' }));
    expect(await outcome).toMatchObject({ node: { id: 'a' }, outcome: { status: 'ok' } });
  });
});

describe('backpressure', () => {
  it('for await: a slow consumer holds the node back, instead of filling the memory', async () => {
    await start('a');
    const iterator = toAsyncIterable(fleetOf().lotsOfReplies({ replies: 100_000, payload: new Uint8Array(10_000) }))[
      Symbol.asyncIterator
    ]();
    await iterator.next();
    let before = -1;
    await until('the node can write no more', () => {
      const { written } = servers[0]!;
      const still = written === before;
      before = written;
      return still && written > 0;
    });
    expect(servers[0]!.written).toBeLessThan(1_000);
    await iterator.return!();
    await until('the node has seen the cancellation', () => servers[0]!.active === 0);
  });

  it('consume: every message is worked on, in order, with the wire waiting for the work', async () => {
    await start('a');
    const seq = await lastValueFrom(
      consume(fleetOf().lotsOfReplies({ replies: 500 }), async (reply) => {
        await Promise.resolve();
        return reply.seq;
      }).pipe(toArray()),
    );
    expect(seq).toHaveLength(500);
    expect(seq).toEqual([...seq].sort((x, y) => x - y));
  });
});

describe('close', () => {
  it('leaves no connection, no timer and no socket behind', async () => {
    await start('a', 'b');
    const before = process
      .getActiveResourcesInfo()
      .filter((kind) => kind !== 'Immediate')
      .sort();
    const greeter = fleetOf();
    await allReady(2);
    await Promise.all(Array.from({ length: 20 }, () => firstValueFrom(greeter.sayHello({ name: 'x' }))));
    await fleet!.close();
    await until('the servers have no connection', () => servers.every((server) => server.connections === 0));
    await until('nothing is left', () => {
      const now = process
        .getActiveResourcesInfo()
        .filter((kind) => kind !== 'Immediate')
        .sort();
      return now.length <= before.length;
    });
  });

  it('lets calls in flight finish, and refuses new ones', async () => {
    await start('a');
    const greeter = fleetOf();
    await allReady(1);
    servers[0]!.faults({ latencyMs: 100 });
    const reply = firstValueFrom(greeter.sayHello({ name: 'x' }));
    await until('it is under way', () => servers[0]!.active === 1);
    const closed = fleet!.close();
    expect((await error(firstValueFrom(greeter.sayHello({ name: 'late' })))).code).toBe('CLOSED');
    expect((await reply).node).toBe('a');
    await closed;
  });

  it('ends calls that last too long, with an error', async () => {
    await start('a');
    servers[0]!.faults({ hang: true });
    const greeter = fleetOf();
    const failed = error(firstValueFrom(greeter.sayHello({ name: 'x' })));
    await until('it is under way', () => servers[0]!.active === 1);
    await fleet!.close({ drainMs: 10 });
    expect((await failed).code).toBe('CLOSED');
  });

  it('completes the feeds', async () => {
    await start('a');
    fleetOf();
    const sets = lastValueFrom(fleet!.nodes$);
    await fleet!.close();
    expect(await sets).toBeInstanceOf(NodeSet);
  });
});

describe('middlewares of users', () => {
  it('see each call with what became of it, first in the array outermost', async () => {
    await start('a');
    const seen: string[] = [];
    const noting =
      (name: string): AnyMiddleware =>
      (next) =>
      (call) => {
        seen.push(`${name} ${call.name}`);
        return next(call).pipe(tap({ complete: () => seen.push(`${name} done`) }));
      };
    await lastValueFrom(fleetOf({ use: [noting('outer'), noting('inner')] }).sayHello({ name: 'x' }));
    expect(seen).toEqual(['outer /demo.Greeter/SayHello', 'inner /demo.Greeter/SayHello', 'inner done', 'outer done']);
  });

  it('one that throws fails its call with a FleetError that keeps the stack, and no other', async () => {
    await start('a');
    let broken = true;
    const fragile: AnyMiddleware = (next) => (call) => {
      if (broken) throw new TypeError('x is undefined');
      return next(call);
    };
    const greeter = fleetOf({ use: [fragile] });
    const failed = await error(firstValueFrom(greeter.sayHello({ name: 'x' })));
    expect(failed).toMatchObject({ code: 'UNKNOWN', cause: { name: 'TypeError' } });
    broken = false;
    expect((await firstValueFrom(greeter.sayHello({ name: 'x' }))).node).toBe('a');
  });
});

describe('senseless options', () => {
  it.each([
    [{ deadlineMs: 0 }, 'deadlineMs'],
    [{ retry: { maxAttempts: 0 } }, 'retry.maxAttempts'],
    [{ retry: { jitter: 2 } }, 'jitter'],
    [{ firstResponseTimeoutMs: -1 }, 'firstResponseTimeoutMs'],
  ])('are refused by name: %j', async (calls, field) => {
    await start('a');
    expect(() => fleetOf({ calls })).toThrow(field);
    const greeter = fleetOf();
    expect(() => greeter.sayHello({ name: 'x' }, calls)).toThrow(field);
  });
});
