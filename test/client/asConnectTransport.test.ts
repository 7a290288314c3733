/** Clients that were generated for @connectrpc/connect, over a fleet. */

import { Code, ConnectError, createClient as createConnectClient, type Client } from '@connectrpc/connect';
import { filter, firstValueFrom } from 'rxjs';
import { Greeter } from '../../src/gen/demo/greeter_pb.js';
import { createFleet, FleetError, staticNodes, type Fleet } from '../../src/index.js';
import { grpcTransport } from '../../src/transport/grpc.js';
import { startGreeter, type Greeter as Server } from '../support/greeter.js';
import { until } from '../support/until.js';

let servers: Server[];
let fleet: Fleet;
let greeter: Client<typeof Greeter>;
beforeEach(async () => {
  servers = await Promise.all(['a', 'b'].map((name) => startGreeter({ name })));
  fleet = createFleet({
    service: 'demo.Greeter',
    discovery: staticNodes(servers.map(({ name, address }) => ({ id: name, address }))),
    transport: grpcTransport(),
  });
  greeter = createConnectClient(Greeter, fleet.transport());
  const ready = filter(
    ({ nodes }: { nodes: readonly { availability: string }[] }) =>
      nodes.length > 0 && nodes.every((node) => node.availability === 'ready'),
  );
  await firstValueFrom(fleet.nodes$.pipe(ready));
});
afterEach(async () => {
  await fleet.close({ drainMs: 0 });
  await Promise.all(servers.map((server) => server.close(0)));
});

const failure = (promise: Promise<unknown>) =>
  promise.then(
    () => expect.fail('it should have failed'),
    (error: unknown) => ConnectError.from(error),
  );

it('unary calls are balanced over the fleet', async () => {
  const nodes = [];
  for (let i = 0; i < 4; i++) nodes.push((await greeter.sayHello({ name: 'Ada' })).node);
  expect(nodes).toEqual(['a', 'b', 'a', 'b']);
});

it('a node that dies is not noticed by the client', async () => {
  servers[0]!.kill();
  for (let i = 0; i < 4; i++) expect((await greeter.sayHello({ name: 'Ada' })).message).toContain('Ada');
});

it('server streams arrive whole and in order', async () => {
  const seq = [];
  for await (const reply of greeter.lotsOfReplies({ replies: 50 })) seq.push(reply.seq);
  expect(seq).toHaveLength(50);
  expect(seq).toEqual([...seq].sort((x, y) => x - y));
});

it('aborting a stream cancels it on the node', async () => {
  const controller = new AbortController();
  const read = (async () => {
    // connect keeps `break` to itself: the signal is its way to end a stream.
    for await (const _ of greeter.lotsOfReplies({ replies: 1_000_000 }, { signal: controller.signal })) {
      controller.abort();
    }
  })();
  expect((await failure(read)).code).toBe(Code.Canceled);
  await until('the node has seen it', () => servers.some((server) => server.cancelled === 1));
});

it('client and bidirectional streams go both ways', async () => {
  async function* texts() {
    yield { text: 'hi' };
    yield { text: 'bye' };
  }
  const heard = [];
  for await (const { text } of greeter.chat(texts())) heard.push(text);
  expect(heard.join()).toMatch(/hi.*bye/);
  async function* names() {
    yield { name: 'x' };
    yield { name: 'y' };
  }
  expect((await greeter.lotsOfGreetings(names())).message).toMatch(/x.*y/);
});

it('headers go out, headers and trailers come back', async () => {
  let headers: Headers | undefined;
  let trailers: Headers | undefined;
  await greeter.sayHello(
    { name: 'Ada' },
    { headers: { 'x-tenant': 'a' }, onHeader: (h) => (headers = h), onTrailer: (t) => (trailers = t) },
  );
  expect(servers[0]!.lastHeader('x-tenant')).toBe('a');
  expect(headers).toBeInstanceOf(Headers);
  expect(trailers).toBeInstanceOf(Headers);
});

it('timeoutMs is the deadline', async () => {
  for (const server of servers) server.faults({ hang: true });
  const error = await failure(greeter.sayHello({ name: 'Ada' }, { timeoutMs: 100 }));
  expect(error.code).toBe(Code.DeadlineExceeded);
});

it('an abort signal cancels on the node, and rejects as cancelled', async () => {
  for (const server of servers) server.faults({ hang: true });
  const controller = new AbortController();
  const failed = failure(greeter.sayHello({ name: 'Ada' }, { signal: controller.signal }));
  await until('it is under way', () => servers.some((server) => server.active === 1));
  controller.abort();
  expect((await failed).code).toBe(Code.Canceled);
  await until('the node has seen it', () => servers.every((server) => server.active === 0));
});

it('errors are ConnectErrors of the code of the node, with every attempt in their cause', async () => {
  for (const server of servers) server.faults({ failWith: 'NOT_FOUND' });
  const error = await failure(greeter.sayHello({ name: 'Ada' }));
  expect(error.code).toBe(Code.NotFound);
  expect(error.cause).toBeInstanceOf(FleetError);
  expect((error.cause as FleetError).attempts).toHaveLength(1);
  const stream = await failure(
    (async () => {
      for await (const _ of greeter.lotsOfReplies({})) expect.fail('nothing should come');
    })(),
  );
  expect(stream.code).toBe(Code.NotFound);
});
