import fc from 'fast-check';
import { BehaviorSubject, lastValueFrom, of } from 'rxjs';
import type { Picker } from '../../src/balancer/picker.js';
import type { DecisionMade } from '../../src/call/callEvent.js';
import type { Capability } from '../../src/core/capability.js';
import { FleetError } from '../../src/core/fleetError.js';
import { createNode, updateNode, type Node, type NodeInit } from '../../src/core/node.js';
import { NodeSet } from '../../src/core/nodeSet.js';
import { staticNodes } from '../../src/discovery/staticNodes.js';
import { createLumenClient } from '../../src/lumen/createLumenClient.js';
import { taskAware, taskScore, type TaskAwareOptions } from '../../src/lumen/taskAware.js';
import { taskRequirement } from '../../src/lumen/taskRequirement.js';
import { startLumenNode } from '../../src/testing/lumenNode.js';
import { embedText } from '../../src/testing/lumenNode/tasks/embedText.js';
import { seededRandom } from '../../src/testing/seededRandom.js';

const capability = (tasks: readonly string[], more: Partial<Capability> = {}): Capability => ({
  ...{ service: 'hub', models: [], runtime: 'onnxrt-cpu', maxConcurrency: 0, precisions: [] },
  ...{ protocolVersion: '', extra: {} },
  tasks: tasks.map((name) => ({
    ...{ name, inputMimes: [], outputMimes: [], limits: {}, tensorPreprocessId: '', tensorBatchingSupported: false },
  })),
  ...more,
});
const node = (id: string, capabilities: readonly Capability[], more: NodeInit = {}) =>
  createNode({ id, address: '10.0.0.1:1', capabilities, ...more });
const requires = taskRequirement({ tasks: ['ocr'] });
const cuda = (id: string, more: NodeInit = {}) => node(id, [capability(['ocr'], { runtime: 'onnxrt-cuda' })], more);
const cpu = (id: string, more: NodeInit = {}) => node(id, [capability(['ocr'])], more);

function pickerOf(nodes: readonly Node[], options: TaskAwareOptions = {}): Picker {
  let picker: Picker | undefined;
  of(NodeSet.of(nodes))
    .pipe(taskAware(options))
    .subscribe((next) => (picker = next));
  return picker!;
}
const scoresOf = (picker: Picker, context = { requires } as object) =>
  Object.fromEntries(picker.pick(context).why.candidates.map(({ node: id, score }) => [id, score!]));
const countsOf = (picker: Picker, picks: number, context = { requires } as object) => {
  const counts: Record<string, number> = {};
  for (let i = 0; i < picks; i++) {
    const { id } = picker.pick(context).node!;
    counts[id] = (counts[id] ?? 0) + 1;
  }
  return counts;
};
const failed = { status: 'failed', latencyMs: 1, code: 'UNAVAILABLE', blame: 'network' } as const;
const ok = { status: 'ok', latencyMs: 1 } as const;

describe('the score of a node for a task', () => {
  const score = (more: Partial<Capability>) => taskScore(node('a', [capability(['ocr'], more)]), { tasks: ['ocr'] });

  it('is that of the old clients', () => {
    expect(score({})).toBe(32);
    expect(score({ runtime: 'cuda' })).toBe(40);
    expect(score({ runtime: 'tensorrt' })).toBe(40);
    expect(score({ runtime: 'coreml' })).toBe(38);
    expect(score({ runtime: 'ane' })).toBe(38);
    expect(score({ precisions: ['fp32', 'int8'] })).toBe(34);
    expect(score({ precisions: ['fp16'] })).toBe(33.5);
    expect(score({ precisions: ['int8', 'fp16'], runtime: 'cuda', maxConcurrency: 16 })).toBeCloseTo(45.1, 9);
  });

  it('finds the hardware in the longer names of today, and no more in them than there is', () => {
    expect(score({ runtime: 'onnxrt-CUDA' })).toBe(40);
    expect(score({ runtime: 'onnxruntime_tensorrt' })).toBe(40);
    expect(score({ runtime: 'plane' })).toBe(32);
  });

  it('does not let a node claim more than a hundred calls at once', () => {
    expect(score({ maxConcurrency: 1e9 })).toBe(42);
    expect(score({ maxConcurrency: -5 })).toBe(32);
  });

  it('looks at the service that offers the task', () => {
    const two = node('a', [capability(['embed'], { runtime: 'cuda' }), capability(['ocr'])]);
    expect(taskScore(two, { tasks: ['ocr'] })).toBe(32);
    expect(taskScore(two, { tasks: ['embed', 'ocr'] })).toBe(40);
    expect(taskScore(two, undefined)).toBe(20);
    expect(taskScore(node('b', []), undefined)).toBe(10);
  });
});

describe.each(['roundRobin', 'random'] as const)('taskAware by %s', (pick) => {
  const options = { pick, ...(pick === 'random' ? { random: seededRandom(7) } : {}) };

  it('uses scores as weights: the better node gets more, and the other its own', () => {
    const picker = pickerOf([cuda('gpu'), cpu('cpu')], options);
    expect(scoresOf(picker)).toEqual({ gpu: 40, cpu: 32 });
    const counts = countsOf(picker, 7_200);
    expect(Math.abs(counts.gpu! - 4_000)).toBeLessThan(pick === 'random' ? 250 : 3);
  });

  it('takes the load off, as the node reports it', () => {
    const busy = cpu('busy', { load: { cpu: 1, memory: 0.5 } });
    const reporting = cpu('reporting');
    const figures = { applicationUtilization: 0, requestsPerSecond: 0, errorsPerSecond: 0 };
    const maps = { utilization: {}, requestCost: {}, named: {} };
    reporting.stats.reported({ cpuUtilization: 0.4, memoryUtilization: 9, ...figures, ...maps }, 0);
    const odd = cpu('odd', { load: { cpu: Number.NaN, memory: -3 } });
    expect(scoresOf(pickerOf([busy, reporting, odd, cpu('idle')], options))).toEqual({
      ...{ busy: 24.5, reporting: 25, odd: 32, idle: 32 },
    });
  });

  it('a node that fails loses its share within some calls, is still asked, and has it back when it succeeds', () => {
    const [bad, good] = [cpu('bad'), cpu('good')];
    const picker = pickerOf([bad, good], options);
    const run = (picks: number, outcome: typeof ok | typeof failed) => {
      let taken = 0;
      for (let i = 0; i < picks; i++) {
        const picked = picker.pick({ requires });
        if (picked.node!.id === 'bad') taken++;
        if (picked.node) picked.end(picked.node.id === 'bad' ? outcome : ok);
      }
      return taken / picks;
    };
    run(100, failed);
    expect(scoresOf(picker).bad).toBeLessThan(13);
    const share = run(2_000, failed);
    expect(share).toBeGreaterThan(0.2);
    // 12 of 44 are a bit more than a quarter.
    expect(share).toBeLessThan(0.32);
    run(400, ok);
    expect(run(2_000, ok)).toBeGreaterThan(0.45);
  });

  it('what failed long ago counts no more, what fails now does', () => {
    const old = cpu('old');
    old.stats.failures = 1_000;
    old.stats.successes = 1;
    const now = cpu('now');
    now.stats.failures = now.stats.consecutiveFailures = 50;
    expect(scoresOf(pickerOf([old, now], options))).toMatchObject({ old: 32, now: expect.closeTo(12, 0) as number });
  });

  it('never sinks to nothing, whatever is bad about a node', () => {
    const wreck = node('wreck', [], { load: { cpu: 1, memory: 1 } });
    wreck.stats.failures = wreck.stats.consecutiveFailures = 100;
    const picker = pickerOf([wreck, node('fine', [])], options);
    expect(scoresOf(picker, {})).toEqual({ wreck: 1, fine: 10 });
    expect(countsOf(picker, 1_100, {}).wreck).toBeGreaterThan(50);
  });

  it('has scores of its own for each task, and for calls without one', () => {
    const nodes = [
      node('a', [capability(['ocr'], { runtime: 'cuda' }), capability(['embed'])]),
      node('b', [capability(['ocr']), capability(['embed'], { runtime: 'coreml' })]),
      node('c', [capability(['ocr'])]),
    ];
    const picker = pickerOf(nodes, options);
    expect(scoresOf(picker)).toEqual({ a: 40, b: 32, c: 32 });
    expect(scoresOf(picker, { requires: taskRequirement({ tasks: ['embed'] }) })).toEqual({ a: 32, b: 38 });
    expect(scoresOf(picker, {})).toEqual({ a: 20, b: 18, c: 12 });
    const own = { name: 'own', test: ({ id }: Node) => id !== 'a' };
    expect(scoresOf(picker, { requires: own })).toEqual({ b: 18, c: 12 });
  });

  it('counts by the weights of discovery, too', () => {
    const counts = countsOf(
      pickerOf([cpu('a', { weight: 3 }), cpu('b'), cpu('c', { weight: 1e-300 })], options),
      4_000,
    );
    expect(Math.abs(counts.a! - 3_000)).toBeLessThan(pick === 'random' ? 150 : 3);
    const huge = pickerOf([cpu('a', { weight: 1.7e308 }), cpu('b', { weight: 1.7e308 })], options);
    expect(Math.abs(countsOf(huge, 1_000).a! - 500)).toBeLessThan(pick === 'random' ? 100 : 3);
  });

  it('passes over those that were tried, by the scores of the others', () => {
    const picker = pickerOf([cuda('a'), cuda('b'), cpu('c', { load: { cpu: 1, memory: 1 } })], options);
    const counts = countsOf(picker, 6_200, { requires, exclude: new Set(['a']) });
    expect(counts.a).toBeUndefined();
    expect(Math.abs(counts.b! - 4_000)).toBeLessThan(250);
  });

  it('begins anew with a node that came back as another', () => {
    const nodes$ = new BehaviorSubject(NodeSet.of([cpu('a'), cpu('b')]));
    const pickers: Picker[] = [];
    nodes$.pipe(taskAware(options)).subscribe((next) => pickers.push(next));
    const { stats } = nodes$.value.get('a')!;
    pickers.at(-1)!.pick({ requires });
    stats.failures = stats.consecutiveFailures = 10;
    expect(scoresOf(pickers.at(-1)!).a).toBeLessThan(20);
    nodes$.next(NodeSet.of([updateNode(nodes$.value.get('a')!, { zone: 'z' }), cpu('b')]));
    expect(scoresOf(pickers.at(-1)!).a).toBeLessThan(20);
    nodes$.next(NodeSet.of([cpu('a'), cpu('b')]));
    expect(scoresOf(pickers.at(-1)!).a).toBe(32);
  });
});

describe('taskAware', () => {
  it('keeps the shares of any scores over a long time, whatever the nodes say', () => {
    const any = fc.record({
      runtime: fc.constantFrom('cpu', 'cuda', 'coreml'),
      maxConcurrency: fc.integer({ min: 0, max: 200 }),
      load: fc.double({ min: 0, max: 1, noNaN: true }),
    });
    fc.assert(
      fc.property(fc.array(any, { minLength: 1, maxLength: 8 }), (given) => {
        const picker = pickerOf(
          given.map(({ load, ...more }, i) => node(`n${i}`, [capability(['ocr'], more)], { load: { cpu: load } })),
        );
        const scores = scoresOf(picker);
        const total = Object.values(scores).reduce((sum, score) => sum + score, 0);
        const counts = countsOf(picker, 2_000);
        for (const [id, score] of Object.entries(scores)) {
          expect(Math.abs((counts[id] ?? 0) - (2_000 * score) / total)).toBeLessThan(given.length + 2);
        }
      }),
      { numRuns: 50 },
    );
  });

  it('is called by the names of the old clients', () => {
    expect(pickerOf([cpu('a')]).pick({}).why.strategy).toBe('task_aware_round_robin');
    expect(pickerOf([cpu('a')], { pick: 'random' }).pick({}).why.strategy).toBe('task_aware_random');
    expect(taskAware().traits).toEqual({ name: 'task_aware_round_robin', weighted: true, keyed: false });
  });

  it('refuses another way to pick', () => {
    expect(() => taskAware({ pick: 'best' as never })).toThrow(FleetError);
    expect(() => taskAware({ pick: 'best' as never })).toThrow(/pick/);
  });

  it('weighs real nodes by what they say of themselves', async () => {
    const services = (runtime: string) => [
      { name: 'siglip', models: ['m'], tasks: [embedText()], runtime, precisions: ['fp16'] },
    ];
    await using gpu = await startLumenNode({ name: 'gpu', services: services('onnxrt-cuda'), maxConcurrency: 20 });
    await using cpu = await startLumenNode({ name: 'cpu', services: services('onnxrt-cpu'), maxConcurrency: 1 });
    await using lumen = createLumenClient({
      discovery: staticNodes([gpu, cpu].map(({ name, address }) => ({ id: name, address }))),
      balancer: taskAware(),
    });
    await vi.waitFor(() =>
      expect(lumen.nodes$.value.nodes.map(({ compatibility }) => compatibility)).toEqual(['compatible', 'compatible']),
    );
    const decided: DecisionMade[] = [];
    lumen.fleet.decisions$.subscribe((decision) => decided.push(decision));
    for (let i = 0; i < 75; i++) await lastValueFrom(lumen.embedText('a red bicycle'));
    const { candidates } = decided.at(-1)!;
    expect(Object.fromEntries(candidates.map(({ node: id, score }) => [id, score]))).toEqual({ gpu: 43.5, cpu: 33.6 });
    expect(Math.abs(gpu.answered - (75 * 43.5) / 77.1)).toBeLessThan(2);
    expect(gpu.answered + cpu.answered).toBe(75);
  });
});
