import { BehaviorSubject, NEVER, Subject, type SchedulerLike } from 'rxjs';
import { fastestResponse, type FastestResponseOptions } from '../../src/balancer/fastestResponse.js';
import type { Pick, PickContext, Picker } from '../../src/balancer/picker.js';
import { createNode, updateNode, type Node, type NodeInit } from '../../src/core/node.js';
import { NodeSet } from '../../src/core/nodeSet.js';
import { seededRandom } from '../../src/testing/seededRandom.js';

const node = (id: string, init: NodeInit = {}) => createNode({ ...init, id, address: `${id}.example:50051` });
const even = { name: 'an even id', test: ({ id }: Node) => Number(id.slice(1)) % 2 === 0 };

/** A client with a clock of its own, ten seconds to an interval. */
class Client {
  now = 0;
  readonly latencies$ = new Subject<ReadonlyMap<string, number>>();
  private readonly source: BehaviorSubject<NodeSet>;
  private picker: Picker | undefined;

  constructor(nodes: readonly Node[], options: FastestResponseOptions = {}) {
    const scheduler = { now: () => this.now } as SchedulerLike;
    const given = { random: seededRandom(1), latencies$: this.latencies$, scheduler, ...options };
    this.source = new BehaviorSubject(NodeSet.of(nodes));
    this.source.pipe(fastestResponse(given)).subscribe((next) => (this.picker = next));
  }

  set(nodes: readonly Node[]): void {
    this.source.next(NodeSet.of(nodes));
  }

  pick(context: PickContext = {}): Pick {
    return this.picker!.pick(context) as Pick;
  }

  /** Ends a pick as its node would have it. */
  call(tookMs: (id: string) => number | 'fails', context: PickContext = {}): string {
    const pick = this.pick(context);
    const took = tookMs(pick.node.id);
    const at = this.now;
    if (took === 'fails') pick.end({ status: 'failed', latencyMs: 0.001, code: 'INTERNAL', blame: 'node', at });
    else pick.end({ status: 'ok', latencyMs: took, at });
    return pick.node.id;
  }

  /** The next interval. */
  pass(intervals = 1): void {
    for (let i = 0; i < intervals; i++) {
      this.now += 10_000;
      const pick = this.pick();
      pick.end({ status: 'cancelled', latencyMs: 0, at: this.now });
      this.pick().release();
    }
  }

  shares(context: PickContext = {}): Record<string, number> {
    const pick = this.pick(context);
    pick.release();
    return Object.fromEntries(
      pick.why.candidates.map(({ node: id, score }) => [id, Math.round(score! * 1_000) / 1_000]),
    );
  }
}

describe('fastestResponse', () => {
  it('gives shares by what it was told: by id or address, times the weight, the unknown at the median', () => {
    const nodes = [node('n0'), node('n1'), node('n2', { weight: 2 }), node('n3'), node('n4')];
    const client = new Client(nodes);
    client.latencies$.next(new Map([['n0', 10], ['n1.example:50051', 20], ['n2', 40], ['n3', NaN]])); // prettier-ignore
    // Two, one, half of two, one and one of six.
    expect(client.shares()).toEqual({ n0: 0.333, n1: 0.167, n2: 0.167, n3: 0.167, n4: 0.167 });
  });

  it('gives twice as fast a node 2 ^ power times the calls', () => {
    for (const power of [0, 0.5, 2]) {
      const client = new Client([node('n0'), node('n1')], { power });
      client.latencies$.next(new Map([['n0', 10], ['n1', 20]])); // prettier-ignore
      const { n0, n1 } = client.shares();
      expect(n0! / n1!).toBeCloseTo(2 ** power, 1);
    }
  });

  it('gives nobody less than a tenth or more than ten times what the median gets', () => {
    const client = new Client([node('n0'), node('n1'), node('n2')]);
    client.latencies$.next(new Map([['n0', 1e-300], ['n1', 20], ['n2', 1e300]])); // prettier-ignore
    const { n0, n1, n2 } = client.shares();
    expect([n0! / n1!, n2! / n1!].map((ratio) => Math.round(ratio * 10) / 10)).toEqual([10, 0.1]);
  });

  it('keeps to what it was told for six intervals, and then to its own measurements', () => {
    const client = new Client([node('n0'), node('n1')]);
    client.latencies$.next(new Map([['n0', 10], ['n1', 40]])); // prettier-ignore
    const own = () => 20;
    for (let interval = 0; interval < 6; interval++) {
      for (let i = 0; i < 50; i++) client.call(own);
      client.pass();
      expect(client.shares()).toEqual({ n0: 0.8, n1: 0.2 });
    }
    for (let interval = 0; interval < 40; interval++) {
      for (let i = 0; i < 50; i++) client.call(own);
      client.pass();
    }
    expect(client.shares().n0).toBeCloseTo(0.5, 1);
  });

  it('comes back to equal shares where nothing is told any more, not even by its own calls', () => {
    const client = new Client([node('n0'), node('n1'), node('n2')]);
    client.latencies$.next(new Map([['n0', 10], ['n1', 100], ['n2', 100]])); // prettier-ignore
    expect(client.shares().n0).toBeGreaterThan(0.8);
    client.pass(60);
    expect(client.shares().n0).toBeLessThan(0.4);
  });

  it('moves towards a new latency by three tenths of the way where it is slower, and a tenth where it is faster', () => {
    const client = new Client([node('n0'), node('n1'), node('n2')]);
    const ratio = (ms: number) => {
      client.latencies$.next(new Map([['n0', ms], ['n1', 10], ['n2', 10]])); // prettier-ignore
      client.pass();
      const { n0, n1 } = client.shares();
      return n1! / n0!;
    };
    client.latencies$.next(new Map([['n0', 10], ['n1', 10], ['n2', 10]])); // prettier-ignore
    expect(ratio(10)).toBeCloseTo(1, 2);
    expect(ratio(80)).toBeCloseTo(8 ** 0.3, 1);
    expect(ratio(80)).toBeCloseTo(8 ** 0.51, 1);
    expect(ratio(10)).toBeCloseTo(8 ** (0.51 * 0.9), 1);
  });

  it('measures a node once, whatever its calls require', () => {
    const nodes = Array.from({ length: 4 }, (_, i) => node(`n${i}`));
    const client = new Client(nodes, { latencies$: NEVER });
    const took = (id: string) => (id === 'n0' ? 10 : 40);
    client.shares({ requires: even });
    for (let i = 0; i < 100; i++) client.call(took);
    client.pass();
    expect(client.shares({ requires: even })).toEqual({ n0: 0.8, n2: 0.2 });
    expect(client.shares()).toEqual({ n0: 0.571, n1: 0.143, n2: 0.143, n3: 0.143 });
  });

  it('begins with what was counted of a node before', () => {
    const nodes = [node('n0'), node('n1')];
    // Slow once, long ago.
    nodes[0]!.stats.end({ status: 'ok', latencyMs: 5_000 });
    for (let i = 0; i < 100; i++) {
      nodes[0]!.stats.end({ status: 'ok', latencyMs: 10 });
      nodes[1]!.stats.end({ status: 'ok', latencyMs: 30 });
    }
    expect(new Client(nodes).shares().n0).toBeCloseTo(0.75, 2);
  });

  it('charges a node that fails with ten medians', () => {
    const nodes = Array.from({ length: 5 }, (_, i) => node(`n${i}`));
    const client = new Client(nodes, { latencies$: NEVER });
    for (let interval = 0; interval < 8; interval++) {
      for (let i = 0; i < 2_000; i++) client.call((id) => (id === 'n0' ? 'fails' : 20));
      client.pass();
    }
    const { n0, n1 } = client.shares();
    expect(n1! / n0!).toBeGreaterThan(3);
    // What the source says of a node that fails is what its failures took.
    const deceived = new Client([node('n0'), node('n1'), node('n2')]);
    for (let interval = 0; interval < 8; interval++) {
      deceived.latencies$.next(new Map([['n0', 0.1], ['n1', 20], ['n2', 20]])); // prettier-ignore
      for (let i = 0; i < 2_000; i++) deceived.call((id) => (id === 'n0' ? 'fails' : 20));
      deceived.pass();
    }
    expect(deceived.shares().n0! / deceived.shares().n1!).toBeLessThan(1 / 3);
  });

  it('takes new weights and nodes into account at once', () => {
    const nodes = [node('n0'), node('n1')];
    const client = new Client(nodes);
    client.latencies$.next(new Map([['n0', 10], ['n1', 30]])); // prettier-ignore
    expect(client.shares()).toEqual({ n0: 0.75, n1: 0.25 });
    client.set([updateNode(nodes[0]!, { weight: 1 / 3 }), nodes[1]!, node('n2')]);
    expect(client.shares()).toEqual({ n0: 0.333, n1: 0.333, n2: 0.333 });
  });

  it('settles when many clients look at one source, instead of all running to whoever was fastest', () => {
    const seconds = 2.5;
    const random = seededRandom(7);
    const serviceMs = [1, 1, 2, 2, 4];
    const nodes = serviceMs.map((_, i) => node(`n${i}`));
    // Each has nodes of its own, since they do not see each other's calls.
    const clients = Array.from(
      { length: 30 },
      () =>
        new Client(
          serviceMs.map((_, i) => node(`n${i}`)),
          { random },
        ),
    );
    const capacity = serviceMs.map((ms) => 1 / ms);
    const load = 0.7 * capacity.reduce((sum, each) => sum + each, 0);
    /** Of each node, in the last minute, as `rate(…[1m])` would have it. */
    const minute: number[][] = [];
    const seen: number[][] = [];
    for (let step = 0; step < 240; step++) {
      const counts = new Map(nodes.map(({ id }) => [id, 0]));
      for (const client of clients) {
        client.now += seconds * 1_000;
        for (let i = 0; i < 60; i++) {
          const id = client.call(() => 1);
          counts.set(id, counts.get(id)! + 1);
        }
      }
      const busy = nodes.map(({ id }, i) => ((counts.get(id)! / 30 / 60) * load) / capacity[i]!);
      seen.push(busy);
      minute.push(busy.map((part, i) => serviceMs[i]! / (1 - Math.min(part, 0.995))));
      if (minute.length > 60 / seconds) minute.shift();
      if (step % 4 !== 0) continue;
      const mean = (i: number) => minute.reduce((sum, each) => sum + each[i]!, 0) / minute.length;
      const told = new Map(nodes.map(({ id }, i) => [id, mean(i)]));
      for (const client of clients) client.latencies$.next(told);
    }
    // In the second five minutes no node is far from the load that all have, in any ten seconds.
    for (let step = 120; step < 240; step += 4) {
      for (const i of nodes.keys()) {
        const busy = seen.slice(step, step + 4).reduce((sum, each) => sum + each[i]! / 4, 0);
        expect(Math.abs(busy - 0.7), `node ${i} in step ${step}`).toBeLessThan(0.15);
      }
    }
  });
});
