/** `consul()` under changes, crashes and cuts at random: in the end it knows what the agent knows, and how soon. */

import type { Subscription } from 'rxjs';
import type { Node } from '../../src/core/node.js';
import type { NodeSet } from '../../src/core/nodeSet.js';
import { consul } from '../../src/discovery/consul.js';
import { seededRandom } from '../../src/testing/seededRandom.js';
import { consulOrReason, startConsul, type ConsulAgent } from '../support/consul.js';
import { startTcpProxy, type TcpProxy } from '../support/tcpProxy.js';
import { until } from '../support/until.js';

const program = await consulOrReason();
const long = process.env.RXFLEET_LONG === '1';
const changes = long ? 5_000 : 500;
const seed = Number(process.env.RXFLEET_SEED ?? 20_260);

describe.skipIf(typeof program === 'string')('consul() under torture', () => {
  if (typeof program === 'string') return;
  let agent: ConsulAgent;
  let wire: TcpProxy;
  let subscription: Subscription;
  beforeAll(async () => {
    agent = await startConsul(program);
    wire = await startTcpProxy(agent.port);
  });
  afterAll(async () => {
    subscription?.unsubscribe();
    await wire?.close();
    await agent?.close();
  });

  it(
    `ends with what the agent lists after ${changes} changes, misses none on the way and shows none that is gone`,
    async () => {
      const random = seededRandom(seed);
      const below = (limit: number) => Math.floor(random() * limit);
      const ids = Array.from({ length: 12 }, (_, i) => `n${i}`);
      /** What the agent should list: the number of the last change of each node that passes. */
      const model = new Map<string, number>();
      const present = new Set<string>();
      const drawn = (entries: Iterable<readonly [string, unknown]>) =>
        [...entries]
          .map(([id, n]) => `${id}=${n}`)
          .sort()
          .join(' ');
      const ofSet = (set: NodeSet | undefined) =>
        drawn(set?.nodes.map((node: Node) => [node.id, node.metadata.n] as const) ?? []);

      let last: NodeSet | undefined;
      let generation = 0;
      let cuts = 0;
      const backwards: string[] = [];
      const newest = new Map<string, number>();
      const pace = { steadyMs: 10, firstMs: 1 };
      subscription = consul({ address: `http://${wire.endpoint}`, pace })({ service: 'rxfleet-test' }).subscribe(
        (set) => {
          for (const node of set.nodes) {
            const n = Number(node.metadata.n);
            if (n < (newest.get(node.id) ?? 0)) backwards.push(`${node.id}: ${n} after ${newest.get(node.id)}`);
            newest.set(node.id, n);
          }
          last = set;
        },
      );

      const change = async (n: number): Promise<void> => {
        const id = ids[below(ids.length)]!;
        const kind = below(10);
        if (!present.has(id) || kind < 4) {
          const Check = { CheckID: `service:${id}`, TTL: '10m', Status: 'passing' };
          await agent.register({ ID: id, Address: '127.0.0.1', Port: 1_000 + below(9), Meta: { n: String(n) }, Check });
          // Registered again it keeps the state of its check.
          await agent.ask('PUT', `/v1/agent/check/pass/service:${id}`);
          present.add(id);
          model.set(id, n);
        } else if (kind < 7) {
          await agent.deregister(id);
          present.delete(id);
          model.delete(id);
        } else {
          const failing = model.has(id);
          await agent.ask('PUT', `/v1/agent/check/${failing ? 'fail' : 'pass'}/service:${id}?note=${n}`);
          if (failing) model.delete(id);
          else model.set(id, registered.get(id)!);
        }
        if (model.has(id)) registered.set(id, model.get(id)!);
      };
      const registered = new Map<string, number>();
      const same = () => !last?.stale && ofSet(last) === drawn(model);

      const times: number[] = [];
      for (let n = 1; n <= changes; n++) {
        if (n > (generation + 1) * (changes / 5)) {
          // A crash: all that the agent knew is gone, and it comes back with something else.
          await agent.kill();
          model.clear();
          present.clear();
          generation++;
          await until('the crash is noticed', () => last?.stale !== undefined, 15_000);
          await agent.start();
        }
        const isCut = n > (cuts + 1) * 50;
        if (isCut) {
          cuts++;
          wire.cut();
        }
        const from = performance.now();
        const burst = below(4) === 0 ? 1 + below(6) : 1;
        for (let i = 0; i < burst && n + i <= changes; i++) await change(n + i);
        n += burst - 1;
        if (isCut) wire.restore();
        if (!same()) {
          await until(`the set is ${drawn(model)}`, same, 20_000).catch((error: Error) => {
            throw new Error(
              `seed ${seed}, change ${n}: ${error.message}; it is ${ofSet(last)} ${last?.stale?.reason ?? ''}`,
            );
          });
        }
        // How long a cut connection takes to be tried again is not counted here.
        if (!isCut && burst === 1) times.push(performance.now() - from);
      }

      const { body } = await agent.ask('GET', '/v1/health/service/rxfleet-test?passing');
      const listed = (body as { Service: { ID: string; Meta: { n: string } } }[]).map(
        ({ Service }) => [Service.ID, Service.Meta.n] as const,
      );
      expect(ofSet(last)).toBe(drawn(listed));
      expect(backwards).toEqual([]);
      expect([generation, cuts > 5]).toEqual([4, true]);
      times.sort((a, b) => a - b);
      const at = (part: number) => times[Math.min(times.length - 1, Math.floor(times.length * part))]!.toFixed(1);
      console.log(
        `consul: ${changes} changes, seed ${seed}, ${generation} crashes, ${cuts} cuts: from change to nodes$ median ${at(0.5)} ms, 99 % ${at(0.99)} ms, worst ${at(1)} ms`,
      );
    },
    long ? 600_000 : 60_000,
  );
});
