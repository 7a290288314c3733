/** A client and its fleet for some minutes, in seconds: calls come by chance, things go wrong at their time, and all is counted. */

import { Subscription } from 'rxjs';
import { createPool, type Pool, type PoolOptions } from '../../src/index.js';
import { seededRandom } from '../../src/testing/seededRandom.js';
import { SimulatedNode, type SimulatedNodeOptions } from './simulatedNode.js';
import { SimulatedTime } from './simulatedTime.js';

/** What a client is made of, besides its members. */
export type ClientOptions = Partial<Omit<PoolOptions<SimulatedNode>, 'members' | 'discovery'>>;

export interface World {
  readonly time: SimulatedTime;
  readonly nodes: readonly SimulatedNode[];
  readonly pool: Pool<SimulatedNode>;
}

/** Something that happens at a moment, in milliseconds from the start. */
export interface Incident {
  readonly at: number;
  readonly happen: (world: World) => void;
}

export interface Simulation {
  readonly nodes: number;
  /** How busy the fleet is without faults, 0 to 1. Default 0.5. */
  readonly utilization?: number;
  readonly node?: SimulatedNodeOptions;
  /** Milliseconds to simulate. */
  readonly lastsMs: number;
  readonly incidents: readonly Incident[];
  readonly seed: number;
  /** Given up by their callers after so long, in milliseconds. Default 1,000. */
  readonly deadlineMs?: number;
}

/** What was counted in one second. */
export interface Second {
  calls: number;
  errors: number;
  /** Attempts of the calls that ended in this second: what arrived at the nodes. */
  attempts: number;
  readonly latencies: number[];
  /** Attempts by node, in the order of the nodes. */
  readonly shares: number[];
  /** Nodes that were out at the end of it. */
  out: number;
}

export interface Report {
  readonly seconds: readonly Second[];
  /** Times that a node was taken out, or a breaker opened. */
  readonly takenOut: number;
}

/** Runs it. Equal seeds give equal reports. */
export function simulate(
  options: Simulation,
  client: (time: SimulatedTime, random: () => number) => ClientOptions,
): Report {
  const { nodes: count, utilization = 0.5, lastsMs, incidents, seed, deadlineMs = 1_000 } = options;
  const { slots = 8, serviceMs = 10 } = options.node ?? {};
  const time = new SimulatedTime();
  const random = seededRandom(seed);
  const nodes = Array.from({ length: count }, (_, i) => new SimulatedNode(`n${i}`, time, random, options.node));
  const given = client(time, random);
  const pool = createPool<SimulatedNode>({
    ...given,
    members: nodes.map((node) => ({ id: node.id, resource: node })),
    close: () => undefined,
    scheduler: time,
    random,
    calls: { deadlineMs, failover: true, ...given.calls },
  });
  const seconds: Second[] = [];
  const second = (): Second => {
    const at = Math.floor(time.now() / 1_000);
    while (seconds.length <= at) {
      seconds.push({ calls: 0, errors: 0, attempts: 0, latencies: [], shares: nodes.map(() => 0), out: 0 });
    }
    return seconds[at]!;
  };
  let takenOut = 0;
  const life = new Subscription();
  life.add(
    pool.events$.subscribe((event) => {
      if (event.type === 'ejected' && event.enforced) takenOut++;
      if (event.type === 'breakerChanged' && event.to === 'open') takenOut++;
    }),
  );
  const places = new Map(nodes.map(({ id }, place) => [id, place]));

  const perMs = (count * slots * utilization) / serviceMs;
  const arrive = () => {
    const begun = time.now();
    life.add(
      pool
        .use((node) => {
          const now = second();
          now.attempts++;
          now.shares[places.get(node.id)!]!++;
          return node.ask();
        })
        .subscribe({
          complete: () => {
            const now = second();
            now.calls++;
            now.latencies.push(time.now() - begun);
          },
          error: () => {
            const now = second();
            now.calls++;
            now.errors++;
          },
        }),
    );
    const next = -Math.log(1 - random()) / perMs;
    if (begun + next < lastsMs) time.schedule(arrive, next);
  };
  time.schedule(arrive);
  for (let at = 999; at < lastsMs; at += 1_000) {
    time.schedule(() => {
      second().out = pool.nodes$.value.nodes.filter(({ health }) => health === 'ejected').length;
    }, at);
  }
  for (const { at, happen } of incidents) time.schedule(() => happen({ time, nodes, pool }), at);
  time.runUntil(lastsMs + deadlineMs);
  life.unsubscribe();
  void pool.close({ drainMs: 0 });
  return { seconds: seconds.slice(0, Math.floor(lastsMs / 1_000)), takenOut };
}
