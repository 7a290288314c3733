/** A random history with crashes, cuts and compactions: afterwards nothing is missed, nothing is a ghost, nothing went back. */

import { etcd } from '../../src/discovery/etcd.js';
import type { NodeSet } from '../../src/core/nodeSet.js';
import { seededRandom } from '../../src/testing/seededRandom.js';
import { watchGuarantees } from '../../src/testing/watchGuarantees.js';
import { grpcTransport } from '../../src/transport/grpc.js';
import { etcdOrReason, startEtcd, type EtcdServer } from '../support/etcd.js';
import { followed, type Followed } from '../support/followed.js';
import { startTcpProxy, type TcpProxy } from '../support/tcpProxy.js';
import { until } from '../support/until.js';

const long = process.env.RXFLEET_LONG === '1';
const changes = long ? 1_000 : 120;
const seed = Number(process.env.RXFLEET_SEED ?? Date.now() % 1_000_000);
const service = 'thumbnails';
const keyOf = (id: string) => `rxfleet/services/${service}/default/${id}`;
const valueOf = (id: string, version: string) => JSON.stringify({ id, addresses: ['10.0.0.1:50051'], version });
const sleep = (ms: number) => new Promise((done) => setTimeout(done, ms));

for (const [version, suite] of [
  ['3.5', 'trixie'],
  ['3.4', 'bookworm'],
] as const) {
  const program = await etcdOrReason(suite);
  describe.skipIf(typeof program === 'string')(`etcd ${version}, tortured`, () => {
    if (typeof program === 'string') return;
    let server: EtcdServer;
    let wire: TcpProxy;
    let world: Followed;

    beforeAll(async () => {
      server = await startEtcd(program);
      wire = await startTcpProxy(server.port);
    });
    afterAll(async () => {
      world?.stop();
      await wire.close();
      await server.stop();
    });

    it(
      `is right after ${changes} changes at random, seed ${seed}`,
      async () => {
        const random = seededRandom(seed);
        const below = (n: number) => Math.floor(random() * n);
        const ids = Array.from({ length: 12 }, (_, i) => `n${i}`);
        const state = new Map<string, string>();
        const states: ReadonlyMap<string, string>[] = [new Map()];
        const sentAt: number[] = [0];
        const calm: boolean[] = [true];
        const seenAt: number[] = [];
        let serial = 0;
        let faults = 0;
        let trouble = 0;

        const discovery = etcd({
          endpoints: [wire.endpoint],
          requestTimeoutMs: 1_000,
          backoff: { initialBackoffMs: 20, maxBackoffMs: 200 },
          transport: grpcTransport({ connectDeadlineMs: 1_000, keepaliveMs: 300, keepaliveTimeoutMs: 300 }),
        });
        world = followed((query) => discovery(query), { service });
        const push = world.sets.push.bind(world.sets);
        world.sets.push = (set: NodeSet) => {
          seenAt.push(performance.now());
          return push(set);
        };
        await until('it has begun', () => world.sets.length > 0);

        const change = async (): Promise<void> => {
          const puts: Record<string, string> = {};
          const removals: string[] = [];
          const count = random() < 0.25 ? 2 + below(4) : 1;
          const mark = String(++serial);
          for (const id of [...ids].sort(() => random() - 0.5).slice(0, count)) {
            if (state.has(id) && random() < 0.4) removals.push(id);
            else puts[id] = mark;
          }
          sentAt.push(performance.now());
          calm.push(trouble === 0);
          await server.change(
            Object.fromEntries(Object.keys(puts).map((id) => [keyOf(id), valueOf(id, mark)])),
            removals.map(keyOf),
          );
          for (const id of removals) state.delete(id);
          for (const id of Object.keys(puts)) state.set(id, mark);
          states.push(new Map(state));
        };
        const during = async (begin: () => void | Promise<void>, end: () => void | Promise<void>): Promise<void> => {
          trouble++;
          faults++;
          await begin();
          if (begin !== server.kill) for (let i = below(6); i > 0; i--) await change();
          if (random() < 0.4) await compact();
          await sleep(below(150));
          await end();
          await sleep(below(300));
          trouble--;
        };
        const compact = () =>
          server.compact().then(
            () => undefined,
            () => undefined,
          );

        while (states.length <= changes) {
          const dice = random();
          if (dice < 0.04)
            await during(
              () => wire.cut(),
              () => wire.restore(),
            );
          else if (dice < 0.06)
            await during(
              () => wire.pause(),
              () => wire.resume(),
            );
          else if (dice < 0.08) await during(server.kill, () => server.start());
          else if (dice < 0.12) await compact();
          else await change();
          if (random() < 0.3) await sleep(below(20));
        }
        await until(
          'it has come to rest',
          () => {
            const { last } = world;
            return (
              !last.stale &&
              last.size === state.size &&
              [...state].every(([id, mark]) => last.get(id)?.version === mark)
            );
          },
          20_000,
        );

        const { sets } = world;
        const { breaches, shows, missed, ghosts } = watchGuarantees({ states, sets });
        expect(breaches).toEqual([]);
        expect([missed, ghosts]).toEqual([[], []]);
        const kept = await server.list(keyOf(''));
        expect(Object.fromEntries(kept.map(({ key, value }) => [key, JSON.parse(value).version]))).toEqual(
          Object.fromEntries([...state].map(([id, mark]) => [keyOf(id), mark])),
        );

        const first = sets.length - seenAt.length;
        const latencies = (isCalm: boolean) =>
          states
            .map((_, i) => i)
            .filter((i) => i > 0 && calm[i] === isCalm)
            .map((i) => {
              const at = shows.findIndex((place, set) => place >= i && set >= first && !sets[set]!.stale);
              return seenAt[at - first]! - sentAt[i]!;
            })
            .sort((a, b) => a - b);
        const quiet = latencies(true);
        const troubled = latencies(false);
        const ms = (value: number | undefined) => `${(value ?? 0).toFixed(1)} ms`;
        console.log(
          `etcd ${version}: ${states.length - 1} changes, ${faults} faults, ${sets.length} sets, seed ${seed}; ` +
            `from change to set: median ${ms(quiet[quiet.length >> 1])}, worst ${ms(quiet.at(-1))}; ` +
            `made during faults: median ${ms(troubled[troubled.length >> 1])}, worst ${ms(troubled.at(-1))}`,
        );
      },
      long ? 600_000 : 60_000,
    );
  });
}
