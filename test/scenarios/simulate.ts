/** A client and its fleet for some minutes, in seconds: calls come by chance, things go wrong at their time, and all is counted. */

import { Subscription } from 'rxjs';
import { createPool, type Pool, type PoolOptions } from '../../src/index.js';
import { seededRandom } from '../../src/testing/seededRandom.js';
import { SimulatedNode, type SimulatedNodeOptions } from './simulatedNode.js';
import { SimulatedTime } from './simulatedTime.js';

/** What a client is made of, besides its members. */
export type ClientOptions = Partial<Omit<PoolOptions<SimulatedNode>, 'members' | 'discovery' | 'scheduler' | 'random'>>;

/** A client, made for one run: its clock and its chance are those of the run. */
export type ClientOf = (scheduler: SimulatedTime, random: () => number) => ClientOptions;

export interface World {
  readonly time: SimulatedTime;
  readonly nodes: readonly SimulatedNode[];
  readonly pool: Pool<SimulatedNode>;
}

/** Something that happens at a moment, in milliseconds from the start. */
export interface Happening {
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
  readonly happenings: readonly Happening[];
  readonly seed: number;
  /** Given up by their callers after so long, in milliseconds. Default 1,000. */
  readonly deadlineMs?: number;
}

/** What was counted in one second. */
export interface Second {
  /** Calls that ended, and those of them that failed. */
  calls: number;
  errors: number;
  /** Calls that were made, and what arrived at the nodes for them and for those before. */
  begun: number;
  attempts: number;
  /** Of the calls that were answered, in milliseconds. */
  readonly latencies: number[];
  /** Attempts by node, in the order of the nodes. */
  readonly shares: number[];
  /** Nodes that were out at the end of it. */
  out: number;
}

/** A node was taken out, or its breaker opened. */
export interface TakenOut {
  readonly at: number;
  readonly node: string;
  readonly by: string;
  /** Nothing was wrong with it at that time. */
  readonly sound: boolean;
}

export interface Report {
  readonly seconds: readonly Second[];
  readonly takenOut: readonly TakenOut[];
}

/** Runs it. Equal seeds give equal reports. */
export function simulate(options: Simulation, clientOf: ClientOf): Report {
  const { nodes: count, utilization = 0.5, lastsMs, happenings, seed, deadlineMs = 1_000 } = options;
  const { slots = 8, serviceMs = 10 } = options.node ?? {};
  const time = new SimulatedTime();
  // Two sequences, so that the calls of a seed come at the same moments whatever the client draws.
  const arrivals = seededRandom(seed);
  const random = seededRandom(~seed);
  const nodes = Array.from({ length: count }, (_, i) => new SimulatedNode(`n${i}`, time, random, options.node));
  const client = clientOf(time, random);
  const pool = createPool<SimulatedNode>({
    ...client,
    members: nodes.map((node) => ({ id: node.id, resource: node })),
    close: () => undefined,
    scheduler: time,
    random,
    calls: { deadlineMs, failover: true, ...client.calls },
  });
  const seconds: Second[] = Array.from({ length: Math.ceil((lastsMs + deadlineMs) / 1_000) + 1 }, () => ({
    ...{ calls: 0, errors: 0, begun: 0, attempts: 0, latencies: [], shares: nodes.map(() => 0), out: 0 },
  }));
  const second = () => seconds[Math.floor(time.now() / 1_000)]!;
  const places = new Map(nodes.map(({ id }, place) => [id, place]));
  const takenOut: TakenOut[] = [];
  const life = new Subscription();
  life.add(
    pool.events$.subscribe((event) => {
      const at = time.now();
      const note = (node: string, by: string) =>
        takenOut.push({ at, node, by, sound: nodes[places.get(node)!]!.isSound });
      if (event.type === 'ejected' && event.enforced) note(event.node.id, event.by);
      if (event.type === 'breakerChanged' && event.to === 'open') note(event.node, 'circuitBreaker');
    }),
  );

  const perMs = (count * slots * utilization) / serviceMs;
  const arrive = () => {
    const begun = time.now();
    second().begun++;
    const answers$ = pool.use((node) => {
      const now = second();
      now.attempts++;
      now.shares[places.get(node.id)!]!++;
      return node.ask();
    });
    answers$.subscribe({
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
    });
    const next = -Math.log(1 - arrivals()) / perMs;
    if (begun + next < lastsMs) time.schedule(arrive, next);
  };
  time.schedule(arrive);
  for (let at = 999; at < lastsMs; at += 1_000) {
    time.schedule(() => {
      second().out = pool.nodes$.value.nodes.filter(({ health }) => health === 'ejected').length;
    }, at);
  }
  for (const { at, happen } of happenings) time.schedule(() => happen({ time, nodes, pool }), at);
  time.runUntil(lastsMs + deadlineMs);
  life.unsubscribe();
  void pool.close({ drainMs: 0 });
  return { seconds: seconds.slice(0, Math.floor(lastsMs / 1_000)), takenOut };
}
