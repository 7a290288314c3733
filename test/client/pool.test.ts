/** A pool of something that is no gRPC channel: HTTP clients of local servers. */

import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  filter,
  firstValueFrom,
  interval,
  lastValueFrom,
  map,
  of,
  take,
  throwError,
  toArray,
  type Observable,
  type ObservableInput,
} from 'rxjs';
import {
  createPool,
  FleetError,
  formatAddress,
  perAttempt,
  recover,
  roundRobin,
  staticNodes,
  weightedRandom,
  type Node,
  type Pool,
} from '../../src/index.js';
import { until } from '../support/until.js';

interface Http {
  readonly name: string;
  readonly address: string;
  requests: number;
  failing: boolean;
  stop(): Promise<void>;
}

async function startHttp(name: string): Promise<Http> {
  const server: Server = createServer((_, response) => {
    http.requests++;
    response.statusCode = http.failing ? 503 : 200;
    response.end(name);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const http: Http = {
    name,
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests: 0,
    failing: false,
    stop: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
  return http;
}

/** A client of one server: what a user's own library might look like. */
class Client {
  ended = false;
  readonly limit = 3;

  constructor(readonly node: Node) {}

  async get(path: string): Promise<string> {
    const response = await fetch(`http://${formatAddress(this.node.address)}${path}`);
    if (!response.ok) throw new Error(`HTTP ${response.status}`);
    return response.text();
  }

  ticks(count: number): Observable<number> {
    return interval(1).pipe(take(count));
  }

  nameNow(): string {
    return this.node.name;
  }

  letters(): string[] {
    return ['a', 'b'];
  }

  bytes(): Uint8Array {
    return new Uint8Array([1, 2]);
  }

  async *lines(): AsyncGenerator<string> {
    yield 'first';
  }
}

let servers: Http[] = [];
let pool: Pool<Client> | undefined;
let opened: Client[] = [];
afterEach(async () => {
  await pool?.close({ drainMs: 0 });
  await Promise.all(servers.map((server) => server.stop()));
  servers = [];
  opened = [];
});

async function start(options: Partial<Parameters<typeof createPool<Client>>[0]> = {}): Promise<Pool<Client>> {
  servers = await Promise.all(['a', 'b'].map(startHttp));
  pool = createPool<Client>({
    discovery: staticNodes(servers.map(({ name, address }) => ({ id: name, address }))),
    open: (node) => {
      const client = new Client(node);
      opened.push(client);
      return client;
    },
    close: (client) => (client.ended = true),
    balancer: roundRobin(),
    ...options,
  });
  return pool;
}

describe('use', () => {
  it('works with the resource of each node in turn, and opens one a node', async () => {
    const { use } = await start();
    const names = [];
    for (let i = 0; i < 4; i++) names.push(await firstValueFrom(use((client) => client.get('/'))));
    expect(names).toEqual(['a', 'b', 'a', 'b']);
    expect(opened).toHaveLength(2);
  });

  it('is cold: each subscription is a use of its own', async () => {
    const { use } = await start();
    const get$ = use((client) => client.get('/'));
    expect(servers[0]!.requests + servers[1]!.requests).toBe(0);
    await firstValueFrom(get$);
    await firstValueFrom(get$);
    expect(servers[0]!.requests + servers[1]!.requests).toBe(2);
  });

  it('counts what a promise resolves to as an answer, also when its user takes it and leaves', async () => {
    const { use, snapshot, nodes$ } = await start({ use: [perAttempt((next) => next)] });
    await firstValueFrom(use((client) => client.get('/')));
    expect(snapshot().calls).toMatchObject({ succeeded: 1, cancelled: 0 });
    expect(nodes$.value.nodes.map(({ stats }) => stats.successes)).toEqual([1, 0]);
    // Of an Observable nobody knows whether there would have been more.
    await firstValueFrom(use((client) => client.ticks(1_000)));
    expect(snapshot().calls).toMatchObject({ succeeded: 1, cancelled: 1 });
  });

  it('leaves the body of a response to be read by who took the response and left', async () => {
    const server = createServer((_, response) => {
      response.write('head ');
      response.flushHeaders();
      bodies.push(() => response.end('and tail'));
    });
    const bodies: (() => void)[] = [];
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const resource = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    await using files = createPool({ members: [{ id: 'a', resource }] });
    const response = await firstValueFrom(files.use((url, { signal }) => fetch(url, { signal })));
    for (const end of bodies) end();
    expect(await response.text()).toBe('head and tail');
    server.close();
  });

  it('gives its work up until that is done, and not after', async () => {
    const { use } = await start();
    const signals: AbortSignal[] = [];
    const told = (work: (client: Client) => ObservableInput<unknown>) =>
      use((client, { signal }) => {
        signals.push(signal);
        return work(client);
      });
    await firstValueFrom(told((client) => client.get('/')));
    await lastValueFrom(told((client) => of(client.nameNow())));
    await lastValueFrom(told(() => throwError(() => new Error('broken')))).catch(() => undefined);
    await firstValueFrom(told((client) => client.ticks(1_000)));
    expect(signals.map(({ aborted }) => aborted)).toEqual([false, false, false, true]);
  });

  it('takes Observables of many values, and unsubscribing ends the work', async () => {
    const { use, nodes$ } = await start();
    expect(await lastValueFrom(use((client) => client.ticks(3)).pipe(toArray()))).toEqual([0, 1, 2]);
    await firstValueFrom(use((client) => client.ticks(1_000)));
    expect(nodes$.value.nodes.map((node) => node.stats.inFlight)).toEqual([0, 0]);
  });

  it.each([
    ['alone', []],
    ['within middlewares', [recover(), perAttempt((next) => (attempt) => next(attempt).pipe(map((n) => n)))]],
  ])('stops work that goes on at once and without end, when its user has enough: %s', async (_, layers) => {
    const { use, snapshot, nodes$ } = await start({ use: layers });
    let given = 0;
    let ended = false;
    function* numbers() {
      try {
        while (given < 1_000) yield ++given;
      } finally {
        ended = true;
      }
    }
    const work = use(() => numbers()).pipe(take(3));
    expect(await lastValueFrom(work.pipe(toArray()))).toEqual([1, 2, 3]);
    expect([given, ended]).toEqual([3, true]);
    expect(snapshot().calls).toMatchObject({ cancelled: 1, inFlight: 0 });
    expect(nodes$.value.nodes.map(({ stats }) => stats.inFlight)).toEqual([0, 0]);
  });

  it('what the work throws arrives as a FleetError that keeps it as the cause, and is not repeated unasked', async () => {
    const { use } = await start();
    for (const server of servers) server.failing = true;
    const thrown: unknown = await firstValueFrom(use((client) => client.get('/'))).catch((error: unknown) => error);
    expect(thrown).toBeInstanceOf(FleetError);
    expect(thrown).toMatchObject({ code: 'UNKNOWN', cause: { message: 'HTTP 503' }, attempts: [{ node: 'a' }] });
    expect(servers[1]!.requests).toBe(0);
  });

  it('fails over to another member when it may be repeated', async () => {
    const { use } = await start();
    servers[0]!.failing = true;
    const options = { failover: true, retry: { retryableCodes: ['UNKNOWN' as const], initialBackoffMs: 1 } };
    for (let i = 0; i < 4; i++) expect(await firstValueFrom(use((client) => client.get('/'), options))).toBe('b');
  });
});

describe('client()', () => {
  it('is the resource with its methods returning Observables, without generated code', async () => {
    const client = (await start()).client();
    expect(await firstValueFrom(client.get('/'))).toBe('a');
    expect(await lastValueFrom(client.ticks(2).pipe(toArray()))).toEqual([0, 1]);
    expect(await firstValueFrom(client.nameNow().pipe(map((name) => name.length)))).toBe(1);
    // @ts-expect-error: what is no method is not there
    void client.limit;
  });

  it('gives what is no stream as one answer, arrays and bytes too, and says so in its types', async () => {
    const client = (await start()).client();
    expectTypeOf(client.letters()).toEqualTypeOf<Observable<string[]>>();
    expectTypeOf(client.bytes()).toEqualTypeOf<Observable<Uint8Array>>();
    expectTypeOf(client.nameNow()).toEqualTypeOf<Observable<string>>();
    expectTypeOf(client.get('/')).toEqualTypeOf<Observable<string>>();
    expectTypeOf(client.ticks(1)).toEqualTypeOf<Observable<number>>();
    expectTypeOf(client.lines()).toEqualTypeOf<Observable<string>>();
    expect(await lastValueFrom(client.letters().pipe(toArray()))).toEqual([['a', 'b']]);
    expect(await lastValueFrom(client.bytes().pipe(toArray()))).toEqual([new Uint8Array([1, 2])]);
    expect(await lastValueFrom(client.lines().pipe(toArray()))).toEqual(['first']);
  });

  it('can be awaited by mistake without being called', async () => {
    const client = (await start()).client();
    await client;
    expect(servers[0]!.requests).toBe(0);
  });
});

describe('members', () => {
  it('a weight of three gets three times the work', async () => {
    servers = await Promise.all(['a', 'b'].map(startHttp));
    let seed = 42;
    const random = () => (seed = (seed * 16_807) % 2_147_483_647) / 2_147_483_647;
    pool = createPool<Client>({
      discovery: staticNodes(servers.map(({ name, address }, i) => ({ id: name, address, weight: i === 0 ? 3 : 1 }))),
      open: (node) => new Client(node),
      balancer: weightedRandom({ random }),
    });
    const { use } = pool;
    const names = await Promise.all(Array.from({ length: 400 }, () => firstValueFrom(use((c) => of(c.nameNow())))));
    const share = names.filter((name) => name === 'a').length / 400;
    expect(share).toBeGreaterThan(0.68);
    expect(share).toBeLessThan(0.82);
  });

  it('a member that fails its probe gets no work until it answers again', async () => {
    const { use, node$ } = await start({
      probe: (client) => client.get('/health'),
      health: { intervalMs: 10, initialJitterMs: 0, failuresOut: 2, successesIn: 1 },
    });
    servers[0]!.failing = true;
    const out = await firstValueFrom(node$('a').pipe(filter((node) => node.health === 'notServing')));
    expect(out.healthReason).toMatch(/HTTP 503/);
    for (let i = 0; i < 4; i++) expect(await firstValueFrom(use((client) => client.get('/')))).toBe('b');
    servers[0]!.failing = false;
    await firstValueFrom(node$('a').pipe(filter((node) => node.health === 'serving')));
  });

  it('close ends each resource', async () => {
    const { use, close } = await start();
    await firstValueFrom(use((client) => client.get('/')));
    await close();
    await until('both have ended', () => opened.every((client) => client.ended));
    expect(opened).toHaveLength(2);
  });

  it('a resource that cannot be opened is passed over, and its error says why', async () => {
    const { use } = await start({
      open: (node) => {
        if (node.id === 'a') throw new Error('no such database');
        return new Client(node);
      },
    });
    const names = await Promise.all(Array.from({ length: 4 }, () => firstValueFrom(use((client) => client.get('/')))));
    expect(names).toEqual(['b', 'b', 'b', 'b']);
  });
});
