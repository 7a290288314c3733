/** Sessions against a plain model, what the balancer within is told of them, and how their account reads. */

import fc from 'fast-check';
import { Subject, VirtualTimeScheduler } from 'rxjs';
import { peakEwma } from '../../src/balancer/peakEwma.js';
import type { Balancer, Pick, PickContext, Picker } from '../../src/balancer/picker.js';
import { priorityFailover } from '../../src/balancer/priorityFailover.js';
import { randomSubset } from '../../src/balancer/randomSubset.js';
import { roundRobin } from '../../src/balancer/roundRobin.js';
import { splitByWeight } from '../../src/balancer/splitByWeight.js';
import { stickySessions, type StickySessionsOptions } from '../../src/balancer/stickySessions.js';
import { SessionTable } from '../../src/balancer/stickySessions/sessionTable.js';
import { balancerOf } from '../../src/balancer/strategy.js';
import { zoneAware } from '../../src/balancer/zoneAware.js';
import { createNode, updateNode, type Node, type NodeInit } from '../../src/core/node.js';
import { NodeSet } from '../../src/core/nodeSet.js';
import type { Outcome } from '../../src/core/nodeStats.js';

const done: Outcome = { status: 'ok', latencyMs: 1 };
const failed: Outcome = { status: 'failed', latencyMs: 1, code: 'UNAVAILABLE', blame: 'network' };

function start(options?: StickySessionsOptions) {
  const source = new Subject<NodeSet>();
  let picker: Picker | undefined;
  source.pipe(stickySessions(options)).subscribe((next) => (picker = next));
  return {
    set: (nodes: readonly Node[]) => source.next(NodeSet.of(nodes)),
    pick: (context: PickContext) => picker!.pick(context) as Pick,
    picker: () => picker!,
  };
}

const listed = (count: number, init: (i: number) => NodeInit = () => ({})) =>
  Array.from({ length: count }, (_, i) =>
    createNode({ id: `n${i}`, address: `10.0.${i >> 8}.${i & 255}:1`, ...init(i) }),
  );

describe('stickySessions', () => {
  it('keeps each key on its node while that can take the call, whatever else happens', () => {
    const step = fc.oneof(
      {
        weight: 6,
        arbitrary: fc.record({
          key: fc.nat({ max: 6 }),
          tried: fc.subarray([0, 1, 2, 3, 4]),
          ends: fc.constantFrom(done, failed),
        }),
      },
      { weight: 1, arbitrary: fc.record({ flips: fc.nat({ max: 4 }) }) },
      { weight: 1, arbitrary: fc.record({ listed: fc.subarray([0, 1, 2, 3, 4], { minLength: 1 }) }) },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        let all = listed(5);
        let present = [0, 1, 2, 3, 4];
        const bed = start();
        const homes = new Map<string, string>();
        const publish = () => bed.set(present.map((i) => all[i]!));
        publish();
        for (const each of steps) {
          if ('flips' in each) {
            all = all.map((node, i) =>
              i === each.flips ? updateNode(node, { health: node.health === 'ejected' ? 'serving' : 'ejected' }) : node,
            );
            publish();
          } else if ('listed' in each) {
            present = each.listed;
            publish();
          } else {
            const key = `key ${each.key}`;
            const well = present.map((i) => all[i]!).filter(({ health }) => health !== 'ejected');
            const exclude = new Set(each.tried.map((i) => `n${i}`));
            const pick = bed.pick({ key, exclude });
            if (well.length === 0) {
              expect(pick.node).toBeUndefined();
              continue;
            }
            const home = homes.get(key);
            const atHome = well.some(({ id }) => id === home);
            const anyUntried = well.some(({ id }) => !exclude.has(id));
            if (atHome && (!exclude.has(home!) || !anyUntried)) expect(pick.node.id).toBe(home);
            else if (anyUntried) expect(exclude.has(pick.node.id)).toBe(false);
            if (!atHome || each.ends === done) homes.set(key, pick.node.id);
            pick.end(each.ends);
          }
        }
        expect(all.reduce((sum, { stats }) => sum + stats.inFlight, 0)).toBe(0);
      }),
      { numRuns: 300 },
    );
  });

  it('places new sessions evenly by load, and tells the balancer within of the calls of old ones', () => {
    const nodes = listed(50);
    const bed = start();
    bed.set(nodes);
    const sessions = Array.from({ length: 500 }, (_, i) => bed.pick({ key: `s${i}` }));
    expect(nodes.map(({ stats }) => stats.inFlight)).toEqual(new Array(50).fill(10));
    // All are over but those of one node in two; the balancer within picked none of the calls that follow.
    for (const pick of sessions) pick.end(done);
    const busy = sessions.filter(({ node }) => Number(node.id.slice(1)) % 2 === 0);
    const open = busy.map((_, i) => bed.pick({ key: `s${sessions.indexOf(busy[i]!)}` }));
    expect(open.every(({ node }) => Number(node.id.slice(1)) % 2 === 0)).toBe(true);
    for (let i = 0; i < 25; i++) {
      const { node } = bed.pick({ key: `new ${i}` });
      expect(Number(node.id.slice(1)) % 2).toBe(1);
      expect(node.stats.inFlight).toBe(1);
    }
  });

  /** Takes the first, and writes down what it is told. */
  const learner = (told: string[]) =>
    balancerOf('learning', () => ({
      chooser: () => ({ update: () => undefined, choose: () => 0, chooseExcept: () => 0 }),
      changed: (node, index, outcome) => told.push(`${node.id} ${index} ${outcome?.status}`),
    }));

  it('tells the balancer within how the calls ended that it did not pick, also within others', () => {
    const told: string[] = [];
    const bed = start({ balancer: randomSubset(20, { balancer: learner(told) }) });
    bed.set(listed(2));
    bed.pick({ key: 'k' }).end(done);
    bed.pick({ key: 'k' }).end(failed);
    bed.pick({ key: 'k' }).release();
    expect(told).toEqual([
      ...['n0 0 undefined', 'n0 0 ok'],
      ...['n0 -1 undefined', 'n0 -1 failed'],
      ...['n0 -1 undefined', 'n0 -1 undefined'],
    ]);
  });

  it('tells the balancers of groups of the calls that they did not pick, each of its own nodes', () => {
    const kept = ['n1 -1 undefined', 'n1 -1 failed'];
    const within: Record<string, [picked: string, kept: readonly string[], balancer: (inner: Balancer) => Balancer]> = {
      splitByWeight: ['n1 0', kept, (balancer) => splitByWeight({ a: 0, b: 1 }, { balancer })],
      priorityFailover: ['n1 0', kept, (balancer) => priorityFailover({ balancer })],
      // So few nodes that zones are ignored: the one for all nodes has picked, and that of the zone knows the node, too.
      zoneAware: ['n1 0', kept.flatMap((each) => [each, each]), (balancer) => zoneAware({ zone: 'z1', balancer })],
    };
    for (const [name, [picked, notes, outer]] of Object.entries(within)) {
      const told: string[] = [];
      const bed = start({ balancer: outer(learner(told)) });
      const [n0, n1] = listed(2, (i) => ({ zone: `z${i}`, tags: { group: 'ab'[i]!, priority: String(1 - i) } }));
      bed.set([n1!, n0!]);
      bed.pick({ key: 'k' }).end(done);
      bed.pick({ key: 'k' }).end(failed);
      expect(told, name).toEqual([`${picked} undefined`, `${picked} ok`, ...notes]);
    }
  });

  it('places no new session where those that stay find it slow, also within priorities', () => {
    const bed = start({ balancer: priorityFailover({ balancer: peakEwma({ random: () => 0 }) }) });
    bed.set(listed(2));
    const answered = (latencyMs: number): Outcome => ({ status: 'ok', latencyMs, at: performance.now() });
    for (const key of ['k', 'l']) bed.pick({ key }).end(answered(1));
    const slow = bed.pick({ key: 'k' });
    slow.end(answered(5_000));
    for (let i = 0; i < 5; i++) {
      const pick = bed.pick({ key: `new ${i}` });
      expect(pick.node).not.toBe(slow.node);
      pick.end(answered(1));
    }
  });

  it('stays on its node while priorities are in panic, and says so', () => {
    const bed = start({ balancer: priorityFailover() });
    const nodes = listed(3, () => ({ health: 'notServing' }));
    bed.set(nodes);
    const first = bed.pick({ key: 'k' });
    for (let i = 0; i < 5; i++) expect(bed.pick({ key: 'k' }).node.id).toBe(first.node.id);
    expect(bed.pick({ key: 'k' }).why).toEqual({
      strategy: 'sticky_sessions (kept by its session): priority_failover',
      candidates: nodes.map(({ id }) => ({ node: id })),
      leftOut: [],
    });
    // The panic is over, and the node does not serve.
    bed.set(nodes.map((node) => (node.id === first.node.id ? node : updateNode(node, { health: 'serving' }))));
    expect(bed.pick({ key: 'k' }).node.id).not.toBe(first.node.id);
  });

  it('ends a pick once, however it was made', () => {
    const nodes = listed(2);
    const bed = start();
    bed.set(nodes);
    const picks = [bed.pick({ key: 'k' }), bed.pick({ key: 'k' }), bed.pick({ key: 'k', exclude: new Set(['n0']) })];
    for (const pick of picks) {
      pick.end(done);
      pick.end(failed);
      pick.release();
    }
    expect(nodes.map(({ stats }) => [stats.inFlight, stats.requests, stats.failures])).toEqual([
      [0, 2, 0],
      [0, 1, 0],
    ]);
  });

  it('says in its account that the session decided, and who was left out', () => {
    const task = { name: 'task ocr', test: ({ tags }: Node) => 'ocr' in tags };
    const nodes = [
      ...listed(3, () => ({ tags: { ocr: '' } })),
      createNode({ id: 'plain', address: '10.1.0.1:1' }),
      createNode({ id: 'sick', address: '10.1.0.2:1', health: 'notServing', tags: { ocr: '' } }),
    ];
    const bed = start();
    bed.set(nodes);
    const first = bed.pick({ key: 'k', requires: task });
    expect(first.why.strategy).toBe('sticky_sessions (new session): least_loaded');
    const exclude = new Set(['n1']);
    const second = bed.pick({ key: 'k', requires: task, exclude });
    exclude.add('n2');
    expect(second.why).toEqual({
      strategy: 'sticky_sessions (kept by its session): least_loaded',
      candidates: [{ node: 'n0' }, { node: 'n2' }],
      leftOut: [
        { node: 'n1', obstacle: 'tried', reason: 'tried already' },
        { node: 'plain', obstacle: 'lacks', reason: 'does not offer task ocr' },
        { node: 'sick', obstacle: 'notServing', reason: 'not serving' },
      ],
    });
    const away = bed.pick({
      key: 'k',
      requires: task,
      exclude: new Map([['n0', { obstacle: 'circuitOpen', reason: 'the circuit is open' }]]),
    });
    expect(away.why.strategy).toBe('sticky_sessions (away from n0): least_loaded');
    expect(away.why.leftOut[0]).toEqual({ node: 'n0', obstacle: 'circuitOpen', reason: 'the circuit is open' });
    bed.set(nodes.map((node) => (node.id === 'n0' ? updateNode(node, { availability: 'draining' }) : node)));
    const moved = bed.pick({ key: 'k', requires: task });
    expect(moved.why.strategy).toBe('sticky_sessions (moved from n0): least_loaded');
    expect(moved.why.leftOut[0]).toEqual({ node: 'n0', obstacle: 'draining', reason: 'draining' });

    const narrow = start({ balancer: randomSubset(1, { seed: 2 }) });
    narrow.set(listed(3));
    const { node } = narrow.pick({ key: 'k' });
    expect(narrow.picker().reach!.size).toBe(1);
    const kept = narrow.pick({ key: 'k' });
    expect(kept.why.candidates).toEqual([{ node: node.id }]);
    expect(kept.why.leftOut).toHaveLength(2);
    expect(kept.why.leftOut[0]).toMatchObject({
      obstacle: 'elsewhere',
      reason: 'out of reach of random_subsetting_experimental: round_robin',
    });
  });

  it('stays on its node where a balancer of groups within would draw another', () => {
    const chances = [0.1, 0.9, 0.9, 0.9];
    const balancer = splitByWeight({ a: 50, b: 50 }, { random: () => chances.shift()! });
    const bed = start({ balancer });
    bed.set(listed(2, (i) => ({ tags: { group: 'ab'[i]! } })));
    const first = bed.pick({ key: 'k' });
    for (let i = 0; i < 5; i++) expect(bed.pick({ key: 'k' }).node).toBe(first.node);
  });

  it('holds as many sessions as it may, and gives up the oldest', () => {
    const nodes = listed(3);
    const bed = start({ maxSessions: 100, balancer: roundRobin() });
    bed.set(nodes);
    const homes = new Map<string, string>();
    for (let i = 0; i < 400; i++) homes.set(`s${i}`, bed.pick({ key: `s${i}` }).node.id);
    for (let i = 300; i < 400; i++) expect(bed.pick({ key: `s${i}` }).node.id).toBe(homes.get(`s${i}`));
  });

  it('takes a set of ten thousand nodes, and keys of any kind', () => {
    const bed = start();
    bed.set(listed(10_000));
    const keys = ['', '__proto__', 'ключ', '🦊', 'a\nb', ...Array.from({ length: 3_000 }, (_, i) => `s${i}`)];
    const homes = keys.map((key) => bed.pick({ key }).node.id);
    expect(keys.map((key) => bed.pick({ key }).node.id)).toEqual(homes);
    expect(new Set(homes).size).toBe(keys.length);
  });

  it('says what can be said of it', () => {
    expect(stickySessions().traits).toEqual({ name: 'sticky_sessions: least_loaded', weighted: true, keyed: true });
    expect(stickySessions({ balancer: roundRobin() }).traits).toMatchObject({ weighted: false, keyed: true });
  });

  it('refuses senseless options by name', () => {
    for (const maxSessions of [0, -1, 1.5, Number.NaN, Infinity]) {
      expect(() => stickySessions({ maxSessions })).toThrow(/maxSessions/);
    }
    for (const idleMs of [0, -1, Number.NaN]) expect(() => stickySessions({ idleMs })).toThrow(/idleMs/);
    expect(() => stickySessions({ idleMs: Infinity })).not.toThrow();
  });
});

describe('SessionTable', () => {
  it('has forgotten a session that gave way for good, also when a call of it ends later', () => {
    const table = new SessionTable(2, 10, () => 0);
    const old = table.put('k', 'x');
    old.calls++;
    for (const key of ['l', 'm']) table.put(key, 'x');
    table.put('k', 'y');
    table.ended(old);
    table.put('n', 'x');
    expect(table.find('k')?.node).toBe('y');
    table.put('o', 'x');
    expect(table.find('k')?.node).toBe('y');
    expect(table.size).toBe(2);
  });

  it('is a list in the order of use, of which those that are idle for too long or too many are gone', () => {
    const step = fc.record({
      what: fc.constantFrom('find', 'put', 'begin', 'end'),
      key: fc.nat({ max: 9 }),
      waits: fc.constantFrom(0, 0, 0, 1, 4, 11),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), fc.integer({ min: 1, max: 5 }), (steps, most) => {
        const time = new VirtualTimeScheduler();
        const table = new SessionTable(most, 10, () => time.frame);
        /** The oldest first. */
        let model: { key: string; node: string; usedAt: number; calls: number }[] = [];
        const open: { session: ReturnType<SessionTable['put']>; of: (typeof model)[number] }[] = [];
        const touch = (each: (typeof model)[number]) => {
          each.usedAt = time.frame;
          model = [...model.filter((other) => other !== each), each];
        };
        const alive = ({ calls, usedAt }: (typeof model)[number]) => calls > 0 || time.frame - usedAt < 10;
        for (const { what, key: number, waits } of steps) {
          time.frame += waits;
          const key = `k${number}`;
          const known = model.find((each) => each.key === key);
          if (what === 'end') {
            const { session, of } = open.splice(number % Math.max(1, open.length), 1)[0] ?? {};
            if (!session) continue;
            table.ended(session);
            of!.calls--;
            if (model.includes(of!)) touch(of!);
          } else if (what === 'put') {
            table.put(key, `at ${time.frame}`);
            if (known) known.node = `at ${time.frame}`;
            else {
              while (model.length > 0 && (model.length >= most || !alive(model[0]!))) model.shift();
              model.push({ key, node: `at ${time.frame}`, usedAt: time.frame, calls: 0 });
            }
            touch(model.find((each) => each.key === key)!);
          } else {
            const found = table.find(key);
            if (known && !alive(known)) model = model.filter((each) => each !== known);
            const expected = known && model.includes(known) ? known : undefined;
            expect(found?.node).toBe(expected?.node);
            if (!expected) continue;
            touch(expected);
            if (what === 'begin') {
              found!.calls++;
              expected.calls++;
              open.push({ session: found!, of: expected });
            }
          }
          expect(table.size).toBe(model.length);
        }
      }),
      { numRuns: 300 },
    );
  });
});
