/** A node for work that is no call: what fyer-rpc's Select and Feedback, AIO's Pick and flare's get_channel were for. */

import { firstValueFrom, of } from 'rxjs';
import {
  createFleet,
  createPool,
  FleetError,
  leastLoaded,
  rpc,
  methodOf,
  staticNodes,
  type Pool,
} from '../../src/index.js';
import { Greeter } from '../../src/gen/demo/greeter_pb.js';
import { grpcTransport } from '../../src/transport/grpc.js';
import { startGreeter } from '../support/greeter.js';

const poolOf = (...ids: string[]): Pool<string> =>
  createPool<string>({ members: ids.map((id) => ({ id, resource: `resource ${id}` })), balancer: leastLoaded() });

describe('select()', () => {
  it('takes a node by the balancer, which counts as in use until it is told how it went', async () => {
    await using pool = poolOf('a', 'b');
    const first = pool.select();
    const second = pool.select();
    expect([first.resource, second.resource]).toEqual(['resource a', 'resource b']);
    expect(first.node.stats.inFlight).toBe(1);
    first.report();
    first.report(new Error('twice'));
    expect(first.node.stats).toMatchObject({ inFlight: 0, requests: 1, successes: 1, failures: 0 });
    expect(pool.select().node.id).toBe('a');
    second.release();
    expect(second.node.stats).toMatchObject({ inFlight: 0, requests: 0 });
  });

  it('charges a failure to the node, but not what is the fault of the request', async () => {
    await using pool = poolOf('a');
    const { stats } = pool.select().node;
    pool.select().report(new Error('broken'), 20);
    pool.select().report(new FleetError('NOT_FOUND', 'nobody of that name'));
    expect(stats).toMatchObject({ failures: 1, excused: 1 });
  });

  it('takes the latency that it is told, as fyer-rpc’s Feedback does', async () => {
    await using pool = poolOf('a');
    const selection = pool.select();
    selection.report(undefined, 25);
    expect(selection.node.stats.ewmaLatencyMs).toBe(25);
  });

  it('ends with its block', async () => {
    await using pool = poolOf('a');
    const { stats } = pool.nodes$.value.nodes[0]!;
    {
      using selection = pool.select();
      expect(selection.node.stats.inFlight).toBe(1);
    }
    expect(stats).toMatchObject({ inFlight: 0, successes: 1 });
  });

  it('passes over who was tried, and says why nobody is left', async () => {
    await using pool = poolOf('a', 'b');
    expect(pool.select({ exclude: new Set(['a']) }).node.id).toBe('b');
    const requires = { name: 'gpu', test: () => false };
    expect(() => pool.select({ requires })).toThrow(/select: no node offers gpu. Known are a: does not offer gpu/);
    pool.remove('a');
    pool.remove('b');
    expect(() => pool.select()).toThrow(FleetError);
  });

  it('can be asked about without being made: explain()', async () => {
    await using pool = poolOf('a', 'b');
    pool.eject('a', { by: 'me', obstacle: 'ejected', reason: 'smells', until: undefined });
    expect(pool.explain()).toMatchObject({
      chosen: { id: 'b' },
      candidates: [{ node: 'b' }],
      leftOut: [{ node: 'a', obstacle: 'ejected' }],
    });
    pool.remove('b');
    expect(pool.explain()).toMatchObject({ chosen: undefined, candidates: [] });
    expect(pool.snapshot().balancer.selections).toBe(0);
  });

  it('is refused by a client that was closed', async () => {
    const pool = poolOf('a');
    await pool.close();
    expect(() => pool.select()).toThrow(/the client was closed/);
  });

  it('of a fleet gives the channel to the node', async () => {
    const server = await startGreeter({ name: 'a' });
    await using fleet = createFleet({ discovery: staticNodes([server.address]), transport: grpcTransport() });
    await firstValueFrom(fleet.ready());
    using selection = fleet.select();
    const { sayHello } = Greeter.method;
    const method = methodOf(sayHello);
    const reply = await firstValueFrom(rpc(selection.resource, method, method.message({ name: 'Ada' })));
    expect(reply.node).toBe('a');
    expect(await firstValueFrom(of(selection.why.strategy))).toBe('round_robin');
    await fleet.close();
    await server.close(0);
  });
});
