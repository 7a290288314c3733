import { of, Subject } from 'rxjs';
import { consistentHash } from '../../src/balancer/consistentHash.js';
import { fastestResponse } from '../../src/balancer/fastestResponse.js';
import { leastLoaded } from '../../src/balancer/leastLoaded.js';
import { leastRequest } from '../../src/balancer/leastRequest.js';
import { peakEwma } from '../../src/balancer/peakEwma.js';
import type { Balancer, Pick, Picker, Requirement } from '../../src/balancer/picker.js';
import { pickerOf } from '../../src/balancer/pickerOf.js';
import { powerOfTwo } from '../../src/balancer/powerOfTwo.js';
import { random } from '../../src/balancer/random.js';
import { roundRobin } from '../../src/balancer/roundRobin.js';
import { carryTurn } from '../../src/balancer/turn.js';
import { weightedRandom } from '../../src/balancer/weightedRandom.js';
import { weightedRoundRobin } from '../../src/balancer/weightedRoundRobin.js';
import { createNode, updateNode, type Node, type NodeInit } from '../../src/core/node.js';
import { NodeSet } from '../../src/core/nodeSet.js';

const node = (id: string, init: NodeInit = {}) => createNode({ address: '10.0.0.1:50051', ...init, id });
const nodes = (...ids: string[]) => ids.map((id) => node(id));
const tagged = (tag: string): Requirement => ({ name: `tag ${tag}`, test: (n) => tag in n.tags });

function pickerFor(balancer: Balancer, given: readonly Node[]): Picker {
  let picker: Picker | undefined;
  of(NodeSet.of(given))
    .pipe(balancer)
    .subscribe((next) => (picker = next));
  return picker!;
}

const all = {
  roundRobin,
  random,
  leastLoaded,
  powerOfTwo,
  leastRequest,
  peakEwma,
  fastestResponse,
  weightedRoundRobin,
  weightedRandom,
  consistentHash,
};

describe.each(Object.entries(all))('%s', (_, create) => {
  it('does not look at the nodes of sets that nobody picks from', () => {
    let looked = 0;
    const spied = new Proxy(node('a'), {
      get: (target, key) => {
        looked++;
        return Reflect.get(target, key) as unknown;
      },
    });
    const source = new Subject<NodeSet>();
    let picker: Picker | undefined;
    source.pipe(create()).subscribe((next) => (picker = next));
    let set = NodeSet.of([spied, node('b')]);
    looked = 0;
    for (let i = 0; i < 1_000; i++) source.next((set = set.with(node('b', { zone: String(i) }))));
    expect(looked).toBe(0);
    picker!.pick({});
    expect(looked).toBeGreaterThan(0);
  });

  it('asks a requirement once for each node of a set, not for each call', () => {
    let tests = 0;
    const requires = () => ({ name: 'task ocr', test: () => ++tests > 0 });
    const picker = pickerFor(create(), nodes('a', 'b', 'c'));
    for (let i = 0; i < 50; i++) {
      picker.pick({ requires: requires() });
      picker.pick({});
    }
    expect(tests).toBe(3);
  });

  it('goes on with any number of requirements', () => {
    const picker = pickerFor(create(), nodes('a', 'b'));
    for (let i = 0; i < 1_000; i++) {
      expect(picker.pick({ requires: { name: `task ${i}`, test: (n) => n.id === 'b' } }).node?.id).toBe('b');
    }
    expect(picker.pick({ requires: { name: '', test: (n) => n.id === 'a' } }).node?.id).toBe('a');
  });

  it('lets an old picker and a new one be asked in turn', () => {
    const source = new Subject<NodeSet>();
    const pickers: Picker[] = [];
    source.pipe(create()).subscribe((picker) => pickers.push(picker));
    source.next(NodeSet.of(nodes('a', 'b', 'c')));
    source.next(NodeSet.of(nodes('c', 'd')));
    for (let i = 0; i < 50; i++) {
      expect(['a', 'b', 'c']).toContain(pickers[0]!.pick({ key: `k${i}` }).node!.id);
      expect(['c', 'd']).toContain(pickers[1]!.pick({ key: `k${i}` }).node!.id);
    }
  });
});

describe('why', () => {
  it('says of each node that could not take the call why not', () => {
    const picker = pickerFor(roundRobin(), [
      node('a', { tags: { gpu: '' } }),
      node('b', { tags: { gpu: '' } }),
      node('c'),
      node('d', { availability: 'unavailable', availabilityReason: 'connection refused', tags: { gpu: '' } }),
      node('e', { weight: 0 }),
    ]);
    const pick = picker.pick({ requires: tagged('gpu'), exclude: new Set(['a']) });
    expect(pick.node?.id).toBe('b');
    expect(pick.why).toEqual({
      strategy: 'round_robin',
      candidates: [{ node: 'b' }],
      leftOut: [
        { node: 'a', obstacle: 'tried', reason: 'tried already' },
        { node: 'c', obstacle: 'lacks', reason: 'does not offer tag gpu' },
        { node: 'd', obstacle: 'unavailable', reason: 'unavailable: connection refused' },
        { node: 'e', obstacle: 'weightless', reason: 'weight 0' },
      ],
    });
  });

  it('leaves nobody out as tried when all were', () => {
    const pick = pickerFor(roundRobin(), nodes('a', 'b')).pick({ exclude: new Set(['a', 'b']) });
    expect(pick.why).toEqual({ strategy: 'round_robin', candidates: [{ node: 'a' }, { node: 'b' }], leftOut: [] });
  });

  it('says so for nobody, too', () => {
    const pick = pickerFor(random(), [node('a')]).pick({ requires: tagged('gpu') });
    expect(pick.why).toEqual({
      strategy: 'random',
      candidates: [],
      leftOut: [{ node: 'a', obstacle: 'lacks', reason: 'does not offer tag gpu' }],
    });
  });
});

describe('nobody', () => {
  const nobody = (given: readonly Node[], requires?: Requirement) => {
    const { node: none, ...rest } = pickerFor(roundRobin(), given).pick({ requires });
    expect(none).toBeUndefined();
    return rest;
  };

  it('waits only for nodes that could take the call', () => {
    const gpu = tagged('gpu');
    const known = { availability: 'connecting', capabilities: [{} as Node['capabilities'][number]] } as const;
    expect(nobody([node('a'), node('b', { compatibility: 'pending' })], gpu)).toMatchObject({ pending: true });
    expect(nobody([node('a'), node('b', { availability: 'connecting' })], gpu)).toMatchObject({ pending: true });
    expect(nobody([node('a'), node('b', known)], gpu)).toMatchObject({ pending: false });
    expect(nobody([node('a'), node('b', { ...known, tags: { gpu: '' } })], gpu)).toMatchObject({ pending: true });
    expect(nobody([node('a', { availability: 'connecting', weight: 0 })])).toMatchObject({ pending: false });
  });

  it('is told apart: no node at all, or none for this task', () => {
    const gpu = tagged('gpu');
    expect(nobody([node('a')], gpu)).toMatchObject({ code: 'NO_NODE_FOR_TASK' });
    expect(nobody([node('a', { health: 'ejected', tags: { gpu: '' } })], gpu)).toMatchObject({ code: 'NO_NODES' });
    expect(nobody([])).toMatchObject({ code: 'NO_NODES' });
  });
});

describe('pickerOf', () => {
  it('hands on what the function throws, and counts nothing', () => {
    const [a] = nodes('a');
    const picker = pickerOf(NodeSet.of([a!]), () => {
      throw new Error('no idea');
    });
    expect(() => picker.pick({})).toThrow('no idea');
    expect(a!.stats.inFlight).toBe(0);
  });

  it('passes the context on and is called by its name', () => {
    const picker = pickerOf(
      NodeSet.of(nodes('a', 'b')),
      (candidates, { key }) => candidates.find(({ id }) => id === key),
      'by id',
    );
    const pick = picker.pick({ key: 'b' }) as Pick;
    expect(pick.node.id).toBe('b');
    expect(pick.why.strategy).toBe('by id');
    expect(picker.pick({ key: 'c' })).toMatchObject({ node: undefined, code: 'NO_NODES', pending: false });
  });
});

describe('weighted strategies when a heavy node was tried', () => {
  it.each(['weightedRandom', 'weightedRoundRobin'] as const)('%s shares the rest by weight', (name) => {
    const given = [node('x', { weight: 1_000 }), node('y', { weight: 3 }), node('z', { weight: 1 })];
    const picker = pickerFor(all[name](), given);
    const counts = { x: 0, y: 0, z: 0 } as Record<string, number>;
    for (let i = 0; i < 4_000; i++) counts[picker.pick({ exclude: new Set(['x']) }).node!.id]!++;
    expect(counts.x).toBe(0);
    expect(counts.y! / counts.z!).toBeGreaterThan(2.4);
    expect(counts.y! / counts.z!).toBeLessThan(3.7);
  });
});

describe('powerOfTwo', () => {
  it('keeps a node that fails at once from drawing all calls to it, and takes it back after a success', () => {
    const picker = pickerFor(powerOfTwo(), nodes('a', 'b', 'c', 'd'));
    const open: Pick[] = [];
    const run = (broken: boolean): number => {
      let onA = 0;
      for (let i = 0; i < 4_000; i++) {
        const pick = picker.pick({}) as Pick;
        if (pick.node.id === 'a') onA++;
        if (pick.node.id === 'a' && broken) {
          pick.end({ status: 'failed', latencyMs: 1, code: 'UNAVAILABLE', blame: 'node' });
        } else if (open.push(pick) > 12) open.shift()!.end({ status: 'ok', latencyMs: 1 });
      }
      return onA;
    };
    const whileBroken = run(true);
    // Its fair part is 1,000.
    expect(whileBroken).toBeLessThan(200);
    expect(whileBroken).toBeGreaterThan(5);
    expect(run(false)).toBeGreaterThan(800);
  });
});

describe('carryTurn', () => {
  const [a, b, c, d] = nodes('a', 'b', 'c', 'd') as [Node, Node, Node, Node];

  it('stays with the node whose turn it is, wherever it is now', () => {
    expect(carryTurn([a, b, c], 1, [a, b, c])).toBe(1);
    expect(carryTurn([a, b, c], 1, [b, c, a])).toBe(0);
    expect(carryTurn([a, b, c], 1, [d, a, updateNode(b, { zone: 'eu-1' })])).toBe(2);
  });

  it('goes to the next that is still there', () => {
    expect(carryTurn([a, b, c, d], 1, [a, d])).toBe(1);
    expect(carryTurn([a, b, c], 2, [b, a])).toBe(1);
    expect(carryTurn([a, b], 1, [c, d])).toBe(0);
    expect(carryTurn([], 0, [a])).toBe(0);
  });
});
