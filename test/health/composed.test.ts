/** Health checks, detectors, breakers, panic and slow start together, in a fleet over real gRPC servers. */

import { create } from '@bufbuild/protobuf';
import { BehaviorSubject, filter, firstValueFrom, map, timeout, type Observable } from 'rxjs';
import { methodOf } from '../../src/core/method.js';
import { Greeter, HelloReplySchema } from '../../src/gen/demo/greeter_pb.js';
import {
  Health,
  HealthCheckResponseSchema,
  HealthCheckResponse_ServingStatus as Status,
} from '../../src/gen/grpc/health_pb.js';
import {
  activeHealth,
  consecutiveFailures,
  createClient,
  createFleet,
  createNode,
  FleetError,
  grpcHealth,
  NodeSet,
  outlierDetection,
  staticNodes,
  weightedRoundRobin,
  type Fleet,
  type FleetEvent,
  type FleetOptions,
  type Node,
} from '../../src/index.js';
import { openGrpcServer, serve, type GrpcServer } from '../../src/testing/grpcServer.js';
import type { ServerCall } from '../../src/testing/serverCall.js';
import { grpcTransport } from '../../src/transport/grpc.js';
import { startGreeter } from '../support/greeter.js';

const cleanUp: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const each of cleanUp.splice(0).reverse()) await each();
});

interface Listening {
  readonly name: string;
  readonly address: string;
}

const greeters = async (...names: string[]) => {
  const servers = await Promise.all(names.map((name) => startGreeter({ name })));
  for (const server of servers) cleanUp.push(() => server.close(0));
  return servers;
};

/** A node with the health service of gRPC beside its Greeter. Its word is set by `says`; undefined: it says nothing yet. */
async function checkedGreeter(name: string) {
  const watches = new Set<ServerCall<unknown, object>>();
  let status: Status | undefined = Status.SERVING;
  let calls = 0;
  const tell = (call: ServerCall<unknown, object>) =>
    status === undefined ? undefined : call.send(create(HealthCheckResponseSchema, { status }));
  const server: GrpcServer = await openGrpcServer({
    methods: [
      serve<unknown, object>(methodOf(Health.method.watch) as never, async (call) => {
        watches.add(call);
        await tell(call);
        await new Promise<void>((resolve) => call.signal.addEventListener('abort', () => resolve()));
        watches.delete(call);
      }),
      serve(methodOf(Greeter.method.sayHello), async (call) => {
        calls++;
        await call.send(create(HelloReplySchema, { node: name }));
      }),
    ],
  });
  cleanUp.push(() => server.close(0));
  return {
    name,
    address: `${server.host}:${server.port}`,
    get calls() {
      return calls;
    },
    async says(next: Status | undefined) {
      status = next;
      for (const call of watches) await tell(call);
    },
  };
}

function fleetOf(servers: readonly Listening[], options: Partial<FleetOptions> = {}) {
  const nodes = servers.map(({ name, address }) => ({ id: name, address }));
  const fleet = createFleet({
    discovery: staticNodes(nodes),
    transport: grpcTransport(),
    calls: { retry: { initialBackoffMs: 1 } },
    ...options,
  });
  cleanUp.push(() => fleet.close({ drainMs: 0 }));
  const events: FleetEvent[] = [];
  fleet.events$.subscribe((event) => events.push(event));
  const greeter = createClient(fleet, Greeter);
  /** The node that answered. */
  const call = async () => (await firstValueFrom(greeter.sayHello({ name: 'Ada' }))).node;
  /** So many calls one after the other: which node answered how often. Throws what the first failure throws. */
  const calls = async (count: number): Promise<Record<string, number>> => {
    const answers: Record<string, number> = {};
    for (let i = 0; i < count; i++) {
      const node = await call();
      answers[node] = (answers[node] ?? 0) + 1;
    }
    return answers;
  };
  const told = <T extends FleetEvent['type']>(type: T) =>
    events.filter((event): event is Extract<FleetEvent, { type: T }> => event.type === type);
  return { fleet, greeter, call, calls, events, told };
}

const soon = <T>(value$: Observable<T>, test: (value: T) => boolean) =>
  firstValueFrom(value$.pipe(filter(test), timeout(10_000)));
const allReady = ({ nodes$ }: Fleet, size: number) =>
  soon(nodes$, ({ nodes }) => nodes.filter(({ availability }) => availability === 'ready').length === size);
const healthOf = ({ nodes$ }: Fleet, id: string) => nodes$.pipe(map((set) => set.get(id)?.health));

describe('one node of three fails every call fast', () => {
  const eject = [consecutiveFailures({ baseEjectionTimeMs: 1_500 })];

  it('is out after five calls, its callers see no error, everybody sees why, and it is in again once it has recovered', async () => {
    const servers = await greeters('a', 'bad', 'c');
    const bad = servers[1]!;
    const { fleet, calls, told } = fleetOf(servers, { eject });
    await allReady(fleet, 3);
    bad.faults({ failWith: 'UNAVAILABLE' });

    const readmitted = soon(fleet.events$, ({ type }) => type === 'readmitted');
    const answers = await calls(30);
    expect(answers.bad).toBeUndefined();
    expect(answers.a! + answers.c!).toBe(30);
    expect(bad.calls).toBe(5);

    const reason = '5 calls in a row failed, the last with UNAVAILABLE';
    const node = fleet.nodes$.value.get('bad')!;
    expect(node).toMatchObject({
      availability: 'ready',
      health: 'ejected',
      healthReason: `consecutiveFailures: ${reason}`,
    });
    expect(node.ejections).toEqual([
      { by: 'consecutiveFailures', obstacle: 'ejected', reason, until: expect.any(Number) as number },
    ]);
    expect(told('ejected')).toMatchObject([
      { node: { id: 'bad' }, by: 'consecutiveFailures', method: 'consecutive_failure', reason, enforced: true },
    ]);
    expect(told('healthChanged')).toMatchObject([{ node: { id: 'bad' }, from: 'unknown', to: 'ejected' }]);
    const snapshot = fleet.snapshot();
    expect(snapshot.nodes.find(({ id }) => id === 'bad')).toMatchObject({
      routable: false,
      reason: `ejected: consecutiveFailures: ${reason}`,
    });
    expect(snapshot.policies).toEqual({ consecutiveFailures: { out: 1, inert: undefined } });
    expect(snapshot.calls).toMatchObject({ succeeded: 30, failed: 0, retries: 5 });

    bad.faults({});
    await readmitted;
    const connections = servers.map((server) => server.connections);
    const after = await calls(30);
    expect(after).toEqual({ a: 10, bad: 10, c: 10 });
    // It kept its connection while it was out.
    expect(connections).toEqual([1, 1, 1]);
    expect(told('connectionChanged').filter((event) => event.node === 'bad' && event.from === 'READY')).toEqual([]);
  });

  it('that does not recover is out longer each time, and still nobody notices', async () => {
    const servers = await greeters('a', 'bad', 'c');
    const { fleet, call, told } = fleetOf(servers, { eject: [consecutiveFailures({ baseEjectionTimeMs: 150 })] });
    await allReady(fleet, 3);
    servers[1]!.faults({ failWith: 'UNAVAILABLE' });
    while (told('ejected').length < 3) expect(await call()).not.toBe('bad');
    // It is told a moment after the end of its time was set.
    const out = told('ejected').map(({ at, until }) => Math.round((until! - at) / 50) * 50);
    expect(out).toEqual([150, 300, 450]);
    expect(servers[1]!.calls).toBe(15);
  });

  it('an outlier among its peers is found by its share of failures', async () => {
    const servers = await greeters('a', 'b', 'bad', 'd', 'e');
    const { fleet, greeter, told } = fleetOf(servers, {
      eject: [outlierDetection({ intervalMs: 250, failurePercentage: false, successRate: { requestVolume: 10 } })],
    });
    await allReady(fleet, 5);
    // Every second call: never two in a row by chance of the rotation.
    servers[2]!.faults({ failWith: 'INTERNAL', failEvery: 2 });
    const anyCall = () => firstValueFrom(greeter.sayHello({ name: 'Ada' })).catch(() => undefined);
    for (let i = 0; told('ejected').length === 0 && i < 200; i++)
      await Promise.all(Array.from({ length: 50 }, anyCall));
    expect(told('ejected')).toMatchObject([{ node: { id: 'bad' }, method: 'success_rate', enforced: true }]);
  });

  it('in a fleet that is too small, outlier detection says that it can do nothing', async () => {
    const servers = await greeters('a', 'b');
    const { fleet, calls } = fleetOf(servers, { eject: [outlierDetection({ intervalMs: 50 })] });
    await allReady(fleet, 2);
    const inert = soon(fleet.events$, ({ type }) => type === 'detectorInert');
    await calls(4);
    expect(await inert).toMatchObject({
      by: 'outlierDetection',
      reason: expect.stringContaining('there are 2 nodes') as string,
    });
    expect(fleet.snapshot().policies.outlierDetection).toMatchObject({
      inert: expect.stringContaining('use consecutiveFailures()') as string,
    });
  });
});

describe('all nodes are bad', () => {
  it('the budget leaves two of three in, whoever finds them', async () => {
    const servers = await greeters('a', 'b', 'c');
    const { fleet, call, told } = fleetOf(servers, { eject: [consecutiveFailures()] });
    await allReady(fleet, 3);
    for (const server of servers) server.faults({ failWith: 'INTERNAL' });
    for (let i = 0; i < 60; i++) await expect(call()).rejects.toMatchObject({ code: 'INTERNAL' });
    expect(fleet.nodes$.value.nodes.filter(({ health }) => health === 'ejected')).toHaveLength(1);
    expect(told('ejected').filter(({ enforced }) => enforced)).toHaveLength(1);
    const spared = told('ejected').filter(({ enforced }) => !enforced);
    expect(new Set(spared.map(({ unenforcedReason }) => unenforcedReason))).toEqual(new Set(['max_ejection_overflow']));
  });

  it('with a budget that would empty the fleet, it goes into panic: calls go to all, and fail by their own fault', async () => {
    const servers = await greeters('a', 'b', 'c');
    const { fleet, call, calls, told } = fleetOf(servers, {
      eject: [consecutiveFailures({ baseEjectionTimeMs: 500 })],
      ejectionBudget: { maxEjectionPercent: 100 },
      panic: {},
    });
    await allReady(fleet, 3);
    for (const server of servers) server.faults({ failWith: 'INTERNAL' });
    for (let i = 0; told('panicChanged').length === 0; i++) {
      expect(i).toBeLessThan(60);
      await expect(call()).rejects.toMatchObject({ code: 'INTERNAL' });
    }
    expect(told('panicChanged')).toMatchObject([{ on: true, healthy: 1, total: 3 }]);
    expect(fleet.nodes$.value.nodes.filter(({ health }) => health === 'ejected')).toHaveLength(2);
    const before = servers.map((server) => server.calls);
    for (let i = 0; i < 9; i++) await expect(call()).rejects.toMatchObject({ code: 'INTERNAL' });
    expect(servers.map((server, i) => server.calls - before[i]!)).toEqual([3, 3, 3]);

    // They recover, and are let in: calm again.
    for (const server of servers) server.faults({});
    await soon(fleet.events$, (event) => event.type === 'panicChanged' && !event.on);
    await soon(fleet.nodes$, ({ nodes }) => nodes.every(({ health }) => health === 'unknown'));
    expect(await calls(9)).toEqual({ a: 3, b: 3, c: 3 });
  });

  it('that say so themselves are called all the same in panic, and are not called without it', async () => {
    const servers = await Promise.all(['a', 'b', 'c'].map(checkedGreeter));
    const health = activeHealth(grpcHealth(), { initialJitterMs: 0 });
    const calm = fleetOf(servers, { health });
    const panicking = fleetOf(servers, { health, panic: {} });
    for (const { fleet } of [calm, panicking]) {
      await soon(fleet.nodes$, ({ nodes }) => nodes.length === 3 && nodes.every((each) => each.health === 'serving'));
    }
    for (const server of servers) await server.says(Status.NOT_SERVING);
    for (const { fleet } of [calm, panicking]) {
      await soon(fleet.nodes$, ({ nodes }) => nodes.every((each) => each.health === 'notServing'));
    }
    await expect(calm.call()).rejects.toMatchObject({ code: 'NO_NODES' });
    expect(await panicking.calls(6)).toEqual({ a: 2, b: 2, c: 2 });
    expect(panicking.told('panicChanged').at(-1)).toMatchObject({ on: true, healthy: 1, total: 3 });
  });
});

describe('several judges of one node', () => {
  it('a node that says that it serves, while its calls fail, is out all the same; its word counts when it is in again', async () => {
    const servers = await Promise.all(['a', 'b'].map(checkedGreeter));
    const { fleet, calls } = fleetOf(servers, { health: activeHealth(grpcHealth(), { initialJitterMs: 0 }) });
    await soon(fleet.nodes$, ({ nodes }) => nodes.length === 2 && nodes.every((each) => each.health === 'serving'));
    const ejection = { by: 'me', obstacle: 'ejected', reason: 'it is too hot', until: undefined } as const;
    fleet.eject('a', ejection);
    fleet.eject('a', { ...ejection, by: 'breaker', obstacle: 'circuitOpen' });
    expect(await calls(4)).toEqual({ b: 4 });
    await servers[0]!.says(Status.NOT_SERVING);
    await servers[1]!.says(Status.NOT_SERVING);
    await soon(healthOf(fleet, 'b'), (health) => health === 'notServing');
    expect(fleet.nodes$.value.get('a')!.health).toBe('ejected');
    await servers[1]!.says(Status.SERVING);
    await soon(healthOf(fleet, 'b'), (health) => health === 'serving');
    fleet.readmit('a', 'me');
    expect(fleet.nodes$.value.get('a')).toMatchObject({ health: 'ejected', healthReason: 'breaker: it is too hot' });
    fleet.readmit('a', 'breaker');
    await soon(healthOf(fleet, 'a'), (health) => health === 'notServing');
    await servers[0]!.says(Status.SERVING);
    await soon(healthOf(fleet, 'a'), (health) => health === 'serving');
    expect(await calls(4)).toEqual({ a: 2, b: 2 });
  });

  it('a breaker that has a node out leaves the detectors no room for another', async () => {
    const servers = await greeters('a', 'b', 'c');
    const { fleet, call, told } = fleetOf(servers, { eject: [consecutiveFailures({ failures: 2 })] });
    await allReady(fleet, 3);
    fleet.eject('a', { by: 'breaker', obstacle: 'circuitOpen', reason: 'shut', until: undefined });
    servers[1]!.faults({ failWith: 'INTERNAL' });
    for (let i = 0; i < 8; i++) await call().catch((error: FleetError) => expect(error.code).toBe('INTERNAL'));
    expect(told('ejected').map(({ node, unenforcedReason }) => `${node.id} ${unenforcedReason}`)).toEqual([
      'b max_ejection_overflow',
      'b max_ejection_overflow',
    ]);
  });
});

describe('a node that was just connected', () => {
  it('is called before its health check has spoken; with awaitHealth calls wait for that', async () => {
    const server = await checkedGreeter('slow');
    await server.says(undefined);
    const health = activeHealth(grpcHealth(), { initialJitterMs: 0 });
    const eager = fleetOf([server], { health });
    const patient = fleetOf([server], { health, awaitHealth: true });
    for (const { fleet } of [eager, patient]) await allReady(fleet, 1);
    expect(await eager.call()).toBe('slow');
    const answer = patient.call();
    await eager.call();
    expect(server.calls).toBe(2);
    await server.says(Status.SERVING);
    expect(await answer).toBe('slow');
  });

  it('and has no health service counts as healthy, and says so', async () => {
    const { fleet, told } = fleetOf(await greeters('a'), {
      health: activeHealth(grpcHealth(), { initialJitterMs: 0 }),
    });
    await soon(healthOf(fleet, 'a'), (health) => health === 'serving');
    const reason = 'it has no health service, so it counts as healthy';
    expect(fleet.nodes$.value.get('a')!.healthReason).toBe(reason);
    expect(told('healthChanged')).toMatchObject([{ node: { id: 'a' }, to: 'serving', reason }]);
  });

  it('awaitHealth without a health check is refused: calls would wait for ever', () => {
    const make = () => fleetOf([{ name: 'a', address: '127.0.0.1:1' }], { awaitHealth: true });
    expect(make).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }));
    expect(make).toThrow('awaitHealth');
  });

  it('with slow start gets its share little by little', async () => {
    const servers = await greeters('old', 'new');
    const [old, fresh] = servers.map(({ name, address }) => createNode({ id: name, address })) as [Node, Node];
    const listed$ = new BehaviorSubject(NodeSet.of([old]));
    const { fleet, call } = fleetOf([], {
      discovery: () => listed$,
      balancer: weightedRoundRobin(),
      slowStart: { windowMs: 1_500 },
    });
    /** The weight with which each call to the node was picked, until it is whole. */
    const weightsOf = async (id: string) => {
      const weights: number[] = [];
      const picked = fleet.decisions$.subscribe(({ chosen }) => chosen?.id === id && weights.push(chosen.weight));
      const end = Date.now() + 10_000;
      while (weights.at(-1) !== 1 && Date.now() < end) await call();
      picked.unsubscribe();
      return weights;
    };
    await allReady(fleet, 1);
    await weightsOf('old');
    listed$.next(NodeSet.of([old, fresh]));
    await allReady(fleet, 2);
    const weights = await weightsOf('new');
    expect(weights[0]).toBeLessThan(0.5);
    expect(weights).toEqual(weights.toSorted((one, other) => one - other));
    expect(new Set(weights).size).toBeGreaterThan(3);
    expect(weights.at(-1)).toBe(1);
  });

  it('slow start with a balancer that heeds no weights is refused', () => {
    const make = () => fleetOf([{ name: 'a', address: '127.0.0.1:1' }], { slowStart: { windowMs: 1_000 } });
    expect(make).toThrow('slowStart must be used with a balancer that heeds weights, not round_robin');
  });
});
