/** `dns()` under changes and crashes at random: in the end it knows what the zone holds, and how soon. */

import { Resolver } from 'node:dns/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Subscription } from 'rxjs';
import type { NodeSet } from '../../src/core/nodeSet.js';
import { dns } from '../../src/discovery/dns.js';
import { seededRandom } from '../../src/testing/seededRandom.js';
import { namedOrReason, relayTo, startNamed, type DnsRelay, type NameServer } from '../support/named.js';
import { until } from '../support/until.js';

const programs = await namedOrReason();
const long = process.env.RXFLEET_LONG === '1';
const changes = long ? 500 : 60;
const outages = long ? 10 : 2;
const seed = Number(process.env.RXFLEET_SEED ?? 20_260);

/** A host of the zone. `n` is the number of its last change of text. */
interface Host {
  readonly address: string;
  readonly n: number;
}

describe.skipIf(typeof programs === 'string')('dns() under torture', () => {
  if (typeof programs === 'string') return;
  let server: NameServer;
  let relay: DnsRelay;
  let subscription: Subscription;
  beforeAll(async () => {
    server = await startNamed(programs);
    relay = await relayTo(server.port);
  });
  afterAll(async () => {
    subscription?.unsubscribe();
    await relay?.close();
    await server?.close();
  });

  it(
    `ends with what the zone holds after ${changes} changes, loses no node to a crash of the server and brings none back that is gone`,
    async () => {
      const random = seededRandom(seed);
      const below = (limit: number) => Math.floor(random() * limit);
      const pick = <T>(items: Iterable<T>): T => {
        const all = [...items];
        return all[below(all.length)]!;
      };
      const own = '_torture._tcp.fleet.test';
      const names = Array.from({ length: 10 }, (_, i) => `h${i}.fleet.test`);
      /** What the zone holds: the priority of each `host:port`, and the hosts behind them. */
      const places = new Map<string, number>();
      const hosts = new Map<string, Host>();
      /** When each place left the zone. */
      const removedAt = new Map<string, number>();

      const draw = (place: string, priority: unknown, address: string, n: unknown) =>
        `${place} ${priority} ${address} ${n}`;
      const ofZone = () =>
        [...places].map(([place, priority]) => {
          const { address, n } = hosts.get(place.split(':')[0]!)!;
          return draw(place, priority, address, n);
        });
      const placesOf = (set: NodeSet | undefined) =>
        new Set(set?.nodes.map(({ name, address }) => `${name}:${address.port}`));
      const ofSet = (set: NodeSet | undefined) =>
        set?.nodes.map(({ name, address, addresses, metadata }) =>
          draw(
            `${name}:${address.port}`,
            metadata.priority,
            addresses.map(({ host }) => host).join(),
            String(metadata.n),
          ),
        ) ?? [];
      const drawn = (lines: readonly string[]) => [...lines].sort().join('\n');

      let n = 0;
      /** One change, as lines of an update. Every host that a place names has an address and a text. */
      const change = (): string[] => {
        n++;
        const kind = places.size < 3 ? 0 : below(10);
        const srv = (place: string, priority: number) => {
          const [host, port] = place.split(':');
          return `${own}. 1 SRV ${priority} 1 ${port} ${host}.`;
        };
        const put = (name: string, host: Host) => {
          hosts.set(name, host);
          return [
            ...[`delete ${name}. A`, `add ${name}. 1 A ${host.address}`],
            ...[`delete ${name}. TXT`, `add ${name}. 1 TXT "n=${host.n}"`],
          ];
        };
        const drop = (place: string) => {
          const priority = places.get(place)!;
          const name = place.split(':')[0]!;
          places.delete(place);
          const last = ![...places.keys()].some((other) => other.startsWith(`${name}:`));
          if (last) hosts.delete(name);
          // Some leave their address behind, as sloppy operators do.
          const rest = last && below(3) > 0 ? [`delete ${name}. A`, `delete ${name}. TXT`] : [];
          return [`delete ${srv(place, priority).replace(' 1 SRV', ' SRV')}`, ...rest];
        };
        const add = (name: string) => {
          const port = 1_000 + pick([1, 2, 3].filter((p) => !places.has(`${name}:${1_000 + p}`)));
          const place = `${name}:${port}`;
          places.set(place, 1 + below(2));
          removedAt.delete(place);
          const fresh = hosts.has(name) ? [] : put(name, { address: `10.0.${below(200)}.${1 + below(200)}`, n });
          return [...fresh, `add ${srv(place, places.get(place)!)}`];
        };
        const room = names.filter((name) => [...places.keys()].filter((p) => p.startsWith(`${name}:`)).length < 3);
        // So few that there is always room for one more.
        if (kind < 4 && places.size < 16) return add(pick(room));
        const place = pick(places.keys());
        const name = place.split(':')[0]!;
        if (kind < 6) return drop(place);
        if (kind < 7) {
          // Another priority.
          const before = places.get(place)!;
          places.set(place, 3 - before);
          return [`delete ${srv(place, before).replace(' 1 SRV', ' SRV')}`, `add ${srv(place, 3 - before)}`];
        }
        if (kind < 8 && room.includes(name)) return [...add(name), ...drop(place)];
        // Another address, and another text.
        return put(name, { address: `10.0.${below(200)}.${1 + below(200)}`, n });
      };
      const batch = async (): Promise<number> => {
        const before = [...places.keys()];
        const size = Math.min(changes - n, below(3) === 0 ? 1 : 2 + below(7));
        const lines = Array.from({ length: size }, change).flat();
        const from = performance.now();
        await server.update(...lines);
        for (const place of before) if (!places.has(place)) removedAt.set(place, performance.now());
        return from;
      };

      let last: NodeSet | undefined;
      let lastAt = 0;
      let empty = 0;
      let down = false;
      /** What must be there while the server is down: what was shown, and was not taken out unseen. */
      let kept: string[] = [];
      let staleUnasked = 0;
      const lost: string[] = [];
      const back: string[] = [];
      const newest = new Map<string, number>();
      await batch();
      subscription = dns({
        ...{ domain: 'fleet.test', resolvers: [relay.address], minTtlMs: 20, timeoutMs: 1_000, rounds: 1 },
      })({ service: 'torture', random: seededRandom(seed + 1) }).subscribe((set) => {
        if (set.size === 0) empty++;
        const shown = placesOf(set);
        const before = placesOf(last);
        for (const place of shown) {
          const gone = removedAt.get(place) ?? Infinity;
          if (last && !before.has(place) && gone < lastAt) back.push(`${place} at change ${n}`);
        }
        for (const { name, metadata } of set.nodes) {
          const text = Number(metadata.n);
          if (text < (newest.get(name) ?? 0)) back.push(`the text of ${name}: ${text} after ${newest.get(name)}`);
          newest.set(name, Math.max(text, newest.get(name) ?? 0));
        }
        if (down) lost.push(...kept.filter((place) => !shown.has(place)).map((place) => `${place} at change ${n}`));
        else if (set.stale && !last?.stale) staleUnasked++;
        last = set;
        lastAt = performance.now();
      });

      const same = () => !last?.stale && drawn(ofSet(last)) === drawn(ofZone());
      const settled = () =>
        until('the set is the zone', same, 20_000).catch((error: Error) => {
          const why = last?.stale?.reason ?? '';
          throw new Error(
            `seed ${seed}, change ${n}: ${error.message}; zone:\n${drawn(ofZone())}\nset: ${why}\n${drawn(ofSet(last))}`,
          );
        });
      await settled();

      const times: number[] = [];
      const recoveries: number[] = [];
      let faults = 0;
      let meanwhile = 0;
      while (n < changes) {
        if (n > ((faults + 1) * changes) / (outages + 1)) {
          faults++;
          // Sometimes it dies before the client has seen the last changes.
          if (below(3) === 0) await batch();
          else await settled();
          const changed = faults % 2 === 0;
          if (changed) await relay.cut();
          kept = [...placesOf(last)].filter((place) => places.has(place));
          down = true;
          await server.kill();
          await until('the crash is noticed', () => last?.stale !== undefined, 15_000);
          await sleep(below(700));
          await server.start();
          if (changed) {
            // As if the zone had been edited before the server came back: nobody could ask in between.
            for (let i = 0; i < 2 && n < changes; i++) await batch();
            meanwhile++;
            down = false;
            await relay.restore();
          } else down = false;
          const from = performance.now();
          await settled();
          recoveries.push(performance.now() - from);
          continue;
        }
        // At any moment of the life of the answers.
        await sleep(below(900));
        const unasked = staleUnasked;
        const from = await batch();
        // Sometimes the next changes come before these are seen.
        if (below(6) === 0 && n < changes) continue;
        await settled();
        if (unasked === staleUnasked) times.push(performance.now() - from);
      }
      await settled();

      // The zone by somebody else's client, not by what we believe to have put there.
      const resolver = new Resolver();
      resolver.setServers([`127.0.0.1:${server.port}`]);
      const zone = await Promise.all(
        (await resolver.resolveSrv(own)).map(async ({ name, port, priority }) => {
          const [addresses, texts] = await Promise.all([resolver.resolve4(name), resolver.resolveTxt(name)]);
          return draw(`${name}:${port}`, priority, addresses.join(), texts.flat().join().replace('n=', ''));
        }),
      );
      const shown = ofSet(last);
      const missed = zone.filter((line) => !shown.includes(line));
      const ghosts = shown.filter((line) => !zone.includes(line));
      times.sort((a, b) => a - b);
      const at = (sorted: readonly number[], part: number) =>
        sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))]!.toFixed(0);
      console.log(
        `dns: seed ${seed}, ${n} changes, ${faults} crashes (${meanwhile} with changes meanwhile), ${missed.length} missed, ${ghosts.length} ghosts of ${zone.length} nodes; ` +
          `from change to nodes$ (TTL 1 s, ${times.length} measured) median ${at(times, 0.5)} ms, worst ${at(times, 1)} ms; ` +
          `from the server's return to the right set worst ${Math.max(...recoveries).toFixed(0)} ms; stale unasked ${staleUnasked} times`,
      );
      expect({ missed, ghosts, lost, back, empty }).toEqual({ missed: [], ghosts: [], lost: [], back: [], empty: 0 });
      expect(zone.length).toBeGreaterThan(0);
      expect([n, faults]).toEqual([changes, outages]);
    },
    long ? 600_000 : 60_000,
  );
});
