/** `mdns()` while instances come, change, leave and die at random: in the end it knows who is there, and how soon. */

import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { BehaviorSubject, Subscription } from 'rxjs';
import type { NodeSet } from '../../src/core/nodeSet.js';
import { mdns } from '../../src/discovery/mdns.js';
import { encodePacket } from '../../src/discovery/mdns/encode.js';
import { packetOf } from '../../src/discovery/mdns/packet.js';
import { advertise, type ServiceInstance } from '../../src/registration/mdns.js';
import { seededRandom } from '../../src/testing/seededRandom.js';
import { until } from '../support/until.js';

const long = process.env.RXFLEET_LONG === '1';
const changes = long ? 500 : 60;
const seed = Number(process.env.RXFLEET_SEED ?? 20_260);
const interfaces = ['127.0.0.1'];
const service = 'rxfleet-torture';
const ttl = 4;

/** What a change does: comes up, changes, says goodbye, or dies without a word. */
type Kind = 'appear' | 'change' | 'goodbye' | 'silent';

describe('mdns() under torture', () => {
  const life = new Subscription();
  afterAll(() => life.unsubscribe());

  it(
    `ends with the instances that are there after ${changes} changes, misses none of them and shows none that is gone`,
    async () => {
      const random = seededRandom(seed);
      const below = (limit: number) => Math.floor(random() * limit);
      const pick = <T>(items: readonly T[]): T => items[below(items.length)]!;
      const port = await freeUdpPort();
      const names = Array.from({ length: 14 }, (_, i) => `n${i}`);
      /** What is there: what each instance announces. */
      const model = new Map<string, string>();
      const live = new Map<string, { instance$: BehaviorSubject<ServiceInstance>; announced: Subscription }>();
      /** When each left. */
      const removedAt = new Map<string, number>();
      /** Changes that were made and not seen yet. */
      const awaited = new Map<string, { readonly kind: Kind; readonly from: number }>();
      const times: Record<Kind, number[]> = { appear: [], change: [], goodbye: [], silent: [] };
      const renamed: string[] = [];
      const back: string[] = [];
      const newest = new Map<string, number>();
      let superseded = 0;
      let empty = 0;
      let stale = 0;
      let last: NodeSet | undefined;
      let lastAt = 0;
      let n = 0;

      const shownAs = (set: NodeSet, name: string): string | undefined => {
        const node = set.get(name);
        return node && `${node.addresses.map(({ host }) => host).join()}:${node.address.port} ${node.metadata.n}`;
      };
      /** What is dialled; the port before a change is listed behind it for another second, as records that were replaced are. */
      const dialledAs = (set: NodeSet, name: string): string | undefined => {
        const node = set.get(name);
        return node && `${node.address.host}:${node.address.port} ${node.metadata.n}`;
      };
      const drawn = (entries: Iterable<readonly [string, string | undefined]>) =>
        [...entries]
          .map(([name, state]) => `${name}=${state}`)
          .sort()
          .join('\n');
      const ofSet = (set: NodeSet | undefined) => drawn(set?.nodes.map(({ id }) => [id, shownAs(set, id)]) ?? []);
      const check = (): void => {
        for (const [name, { kind, from }] of awaited) {
          if (!last || dialledAs(last, name) !== model.get(name)) continue;
          times[kind].push(performance.now() - from);
          awaited.delete(name);
        }
      };
      const discovery = mdns({ interfaces, port });
      // A chance of its own for the rest, so that the same seed makes the same changes.
      const chance = seededRandom(seed + 1);
      life.add(
        discovery({ service, random: chance }).subscribe((set) => {
          if (set.size === 0 && last && last.size > 0) empty++;
          if (set.stale) stale++;
          for (const { id, metadata } of set.nodes) {
            if (last && !last.has(id) && (removedAt.get(id) ?? Infinity) < lastAt) back.push(`${id} at change ${n}`);
            const text = Number(metadata.n);
            if (text < (newest.get(id) ?? 0)) back.push(`${id}: ${text} after ${newest.get(id)}`);
            newest.set(id, Math.max(text, newest.get(id) ?? 0));
          }
          last = set;
          lastAt = performance.now();
          check();
        }),
      );

      const awaitSight = (name: string, kind: Kind): void => {
        if (awaited.has(name)) superseded++;
        awaited.set(name, { kind, from: performance.now() });
      };
      const put = (name: string, instance: ServiceInstance): void => {
        removedAt.delete(name);
        model.set(name, `127.0.0.1:${instance.port} ${instance.txt!.n as string}`);
      };
      const instanceOf = (name: string): ServiceInstance => ({
        ...{ service, name, port: 1_000 + below(9_000), addresses: ['127.0.0.1'] },
        txt: { n: String(n), v: `1.${below(9)}.0` },
      });

      const appear = async (name: string): Promise<void> => {
        const instance = instanceOf(name);
        const instance$ = new BehaviorSubject(instance);
        let announced = false;
        const options = { interfaces, port, probeIntervalMs: 20, announceIntervalMs: 50, random: chance };
        const lives = { hostTtlSeconds: ttl, otherTtlSeconds: ttl };
        const running = advertise(instance$, { ...options, ...lives }).subscribe(({ state, name: as }) => {
          if (state === 'renamed') renamed.push(`${name} became ${as} at change ${n}`);
          if (state !== 'announced' || announced) return;
          announced = true;
          put(name, instance);
          awaitSight(name, 'appear');
          check();
        });
        life.add(running);
        live.set(name, { instance$, announced: running });
        removedAt.delete(name);
        await until(`${name} is announced`, () => announced);
      };
      const change = (name: string): void => {
        const instance = instanceOf(name);
        put(name, instance);
        awaitSight(name, 'change');
        live.get(name)!.instance$.next(instance);
      };
      const goodbye = (name: string): void => {
        model.delete(name);
        awaitSight(name, 'goodbye');
        live.get(name)!.announced.unsubscribe();
        live.delete(name);
        removedAt.set(name, performance.now());
      };
      /** Announced by hand and then silent for ever, as is who loses its power: `advertise()` would say goodbye. */
      const appearAndDie = async (name: string): Promise<void> => {
        const instance = instanceOf(name);
        put(name, instance);
        awaitSight(name, 'appear');
        await announceByHand(instance, port);
        await until(`${name} is seen`, () => last !== undefined && dialledAs(last, name) === model.get(name), 5_000);
        model.delete(name);
        awaitSight(name, 'silent');
        removedAt.set(name, performance.now());
      };
      const settled = (): Promise<void> =>
        until('the set is what is there', () => ofSet(last) === drawn(model) && awaited.size === 0, 15_000).catch(
          (error: Error) => {
            const open = [...awaited].map(([name, { kind }]) => `${name} ${kind}`).join();
            throw new Error(
              `seed ${seed}, change ${n}: ${error.message} (${open}); there:\n${drawn(model)}\nset:\n${ofSet(last)}`,
            );
          },
        );

      let silent = 0;
      for (let burst = 1; n < changes; burst++) {
        const busy = new Set<string>();
        const coming: Promise<void>[] = [];
        const size = below(4) === 0 ? 1 : 2 + below(4);
        for (let i = 0; i < size && n < changes; i++) {
          const kind = below(10);
          const there = [...live.keys()].filter((name) => !busy.has(name));
          const free = names.filter((name) => !live.has(name) && !busy.has(name));
          if (there.length === 0 && free.length === 0) break;
          n++;
          // A name whose goodbye or death has not been seen yet is taken as gladly as any.
          if (live.size < 3 || there.length === 0 || (kind < 3 && free.length > 0)) {
            const name = pick(free);
            busy.add(name);
            coming.push(appear(name));
          } else if (kind < 4 && free.length > 0) {
            silent++;
            const name = pick(free);
            busy.add(name);
            coming.push(appearAndDie(name));
          } else {
            const name = pick(there);
            busy.add(name);
            if (kind < 7) change(name);
            else goodbye(name);
          }
        }
        await Promise.all(coming);
        await sleep(below(400));
        if (burst % 5 === 0) await settled();
      }
      await settled();
      // Nobody whose records are short-lived is lost while nothing happens.
      const { size } = last!;
      const end = Date.now() + (ttl * 1_000 * 3) / 2;
      await until('all records would have run out', () => Date.now() > end || last!.size !== size, ttl * 2_000);

      const shown = last!;
      const missed = [...model].filter(([name, state]) => shownAs(shown, name) !== state).map(([name]) => name);
      const ghosts = shown.nodes.map(({ id }) => id).filter((id) => !model.has(id));
      // Who asks only now finds the same.
      let late: NodeSet | undefined;
      life.add(discovery({ service, random: chance }).subscribe((set) => (late = set)));
      await until('a late comer knows it all', () => ofSet(late) === drawn(model), 15_000);

      const spread = (kind: Kind): string => {
        const sorted = times[kind].sort((a, b) => a - b);
        const half = sorted[Math.floor(sorted.length / 2)];
        return `${kind} ${sorted.length} times, median ${half?.toFixed(1)} ms, worst ${sorted.at(-1)?.toFixed(1)} ms`;
      };
      const kinds: readonly Kind[] = ['appear', 'change', 'goodbye', 'silent'];
      console.log(
        `mdns: seed ${seed}, ${n} changes, ${silent} died without goodbye, ${missed.length} missed, ${ghosts.length} ghosts of ${model.size} instances, ${superseded} overtaken by the next; ` +
          `from change to nodes$ (records live ${ttl} s): ${kinds.map(spread).join('; ')}`,
      );
      expect({ missed, ghosts, renamed, back, empty, stale }).toEqual({
        ...{ missed: [], ghosts: [], renamed: [], back: [], empty: 0, stale: 0 },
      });
      expect(model.size).toBeGreaterThan(0);
      expect([n, silent > 0]).toEqual([changes, true]);
    },
    long ? 600_000 : 60_000,
  );
});

async function freeUdpPort(): Promise<number> {
  const socket = createSocket('udp4');
  await once(socket.bind(0), 'listening');
  const { port } = socket.address();
  socket.close();
  await once(socket, 'close');
  return port;
}

/** One announcement, and nobody behind it. */
async function announceByHand({ name, port, txt }: ServiceInstance, mdnsPort: number): Promise<void> {
  const type = `_${service}._tcp.local`;
  const full = `${name}.${type}`;
  const host = `${name}-dead.local`;
  const answers = [
    { type: 'PTR', name: type, target: full, ttl, flush: false },
    { type: 'SRV', name: full, target: host, port, priority: 0, weight: 0, ttl, flush: true },
    {
      ...({ type: 'TXT', name: full, ttl, flush: true } as const),
      strings: Object.entries(txt!).map(([key, value]) => Buffer.from(`${key}=${value as string}`)),
    },
    { type: 'A', name: host, address: '127.0.0.1', ttl, flush: true },
  ] as const;
  const socket = createSocket('udp4');
  await once(socket.bind(0, '127.0.0.1'), 'listening');
  socket.setMulticastInterface('127.0.0.1');
  await new Promise<void>((done, failed) =>
    socket.send(encodePacket(packetOf('response', { answers }))[0]!, mdnsPort, '224.0.0.251', (error) =>
      error ? failed(error) : done(),
    ),
  );
  socket.close();
}
