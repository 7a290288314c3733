/** Limiters in a client of real servers, on the real clock. */

import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { firstValueFrom, forkJoin, lastValueFrom, mergeMap, range, toArray } from 'rxjs';
import {
  aimdLimit,
  concurrencyLimit,
  createPool,
  FleetError,
  formatAddress,
  rateLimit,
  staticNodes,
  type FleetEvent,
  type Layer,
  type Limited,
  type PlaceReport,
  type Pool,
  type RateReport,
} from '../../src/index.js';

/** A server that does so many things at once, and refuses what is more. */
interface Worker {
  readonly address: string;
  readonly served: { count: number; refused: number; most: number };
  stop(): Promise<void>;
}

async function startWorker(places: number, takesMs: number): Promise<Worker> {
  const served = { count: 0, refused: 0, most: 0 };
  let running = 0;
  const server: Server = createServer((_, response) => {
    if (running >= places) {
      served.refused++;
      response.statusCode = 503;
      response.end();
      return;
    }
    served.most = Math.max(served.most, ++running);
    setTimeout(() => {
      running--;
      served.count++;
      response.end('done');
    }, takesMs);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const stop = () =>
    new Promise<void>((resolve) => {
      server.closeAllConnections();
      server.close(() => resolve());
    });
  return { address: `127.0.0.1:${(server.address() as AddressInfo).port}`, served, stop };
}

type Fetch = () => Promise<string>;

let workers: Worker[] = [];
let pool: Pool<Fetch> | undefined;
afterEach(async () => {
  await pool?.close({ drainMs: 0 });
  await Promise.all(workers.map((worker) => worker.stop()));
  workers = [];
});

function poolOf(use: readonly Layer<Fetch>[]): Pool<Fetch> {
  pool = createPool<Fetch>({
    discovery: staticNodes(workers.map(({ address }) => ({ address }))),
    open:
      ({ address }) =>
      async () => {
        const response = await fetch(`http://${formatAddress(address)}/`);
        if (response.ok) return response.text();
        await response.body?.cancel();
        throw new FleetError('RESOURCE_EXHAUSTED', 'the worker is busy');
      },
    use,
  });
  return pool;
}

describe('limits in a client', () => {
  it('feed nodes that can do one thing at a time, without a refusal and without an idle node', async () => {
    workers = await Promise.all([startWorker(1, 5), startWorker(1, 5), startWorker(1, 60)]);
    const { use, snapshot } = poolOf([concurrencyLimit({ per: 'node', max: 1 })]);
    const answers = await lastValueFrom(
      range(90).pipe(
        mergeMap(() => use((get) => get(), { retry: false })),
        toArray(),
      ),
    );
    expect(answers).toHaveLength(90);
    for (const { served } of workers) expect(served).toMatchObject({ refused: 0, most: 1 });
    // Who is slow gets less, and everybody gets some.
    expect(workers[2]!.served.count).toBeGreaterThan(0);
    expect(workers[2]!.served.count).toBeLessThan(workers[0]!.served.count);
    const report = snapshot().policies.concurrencyLimit as PlaceReport;
    expect(report).toMatchObject({ inFlight: 0, waiting: 0, refused: 0, limits: 3 });
    expect(report.waited).toBe(87);
  });

  it('learn how much a node can do, from what it refuses', async () => {
    workers = [await startWorker(8, 40)];
    const { use, snapshot } = poolOf([
      concurrencyLimit({ per: 'client', limit: aimdLimit({ initial: 2 }), queue: { size: 10_000 } }),
    ]);
    const results = await lastValueFrom(
      range(600).pipe(
        mergeMap(() => lastValueFrom(use((get) => get(), { retry: false })).catch((error: FleetError) => error.code)),
        toArray(),
      ),
    );
    const refused = results.filter((result) => result === 'RESOURCE_EXHAUSTED').length;
    expect(results.filter((result) => result === 'done').length).toBe(600 - refused);
    expect(refused).toBeGreaterThan(0);
    expect(refused).toBeLessThan(300);
    const { limit } = (snapshot().policies.concurrencyLimit as PlaceReport).used['']!;
    expect(limit).toBeGreaterThanOrEqual(4);
    expect(limit).toBeLessThanOrEqual(10);
  });

  it('keep a rate, and say in events and in the snapshot whom they held back', async () => {
    workers = [await startWorker(100, 0)];
    const started: number[] = [];
    const { use, events$, snapshot } = poolOf([rateLimit({ perSecond: 200, burst: 10, maxWaitMs: 150 })]);
    const limited: Limited[] = [];
    events$.subscribe((event: FleetEvent) => {
      if (event.type === 'limited') limited.push(event);
    });
    const call = () =>
      lastValueFrom(
        use(
          (get) => {
            started.push(performance.now());
            return get();
          },
          { retry: false },
        ),
      ).catch((error: FleetError) => error.code);
    const results = await Promise.all(Array.from({ length: 60 }, call));
    const passed = results.filter((result) => result === 'done').length;
    const refused = results.filter((result) => result === 'RATE_LIMITED').length;
    // Ten at once, thirty within 150 ms, and more where the calls themselves took a while to be made.
    expect(passed).toBeGreaterThanOrEqual(40);
    expect(passed + refused).toBe(60);
    started.forEach((from, i) => {
      for (let j = i; j < started.length; j++) {
        expect(j - i + 1).toBeLessThanOrEqual(10 + (200 * (started[j]! - from)) / 1_000 + 1);
      }
    });
    const waited = limited.filter(({ result }) => result === 'waited').length;
    expect(waited).toBeGreaterThan(0);
    expect(limited.filter(({ result }) => result === 'refused')).toHaveLength(refused);
    const report = snapshot().policies.rateLimit as RateReport;
    expect(report).toMatchObject({ waiting: 0, waited, refused });
    expect(report.waitedMs!.p50).toBeGreaterThan(0);
  });

  it('send away who waits when the client is closed', async () => {
    workers = [await startWorker(100, 0)];
    const { use, close } = poolOf([rateLimit({ perSecond: 0.1, burst: 1, maxWaitMs: Infinity })]);
    const ends = forkJoin(
      Array.from({ length: 3 }, () => lastValueFrom(use((get) => get())).catch((error: FleetError) => error.code)),
    );
    const results = firstValueFrom(ends);
    await close({ drainMs: 50 });
    expect(await results).toEqual(['done', 'CLOSED', 'CLOSED']);
  });
});
