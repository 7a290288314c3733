import fc from 'fast-check';
import { filter, Subject, throwError, type Observable } from 'rxjs';
import { isPending, isRoutable } from '../../src/core/isRoutable.js';
import { createNode, type Ejection, type Node } from '../../src/core/node.js';
import type { NodeOutcome } from '../../src/core/nodeOutcome.js';
import { NodeSet } from '../../src/core/nodeSet.js';
import { consecutiveFailures } from '../../src/health/consecutiveFailures.js';
import type { Detector, DetectorPorts, Finding } from '../../src/health/detector.js';
import { ejections } from '../../src/health/ejections.js';
import type { EjectionBudgetOptions } from '../../src/health/ejectionBudget.js';
import type { HealthEvent } from '../../src/health/healthEvent.js';
import { outlierDetection } from '../../src/health/outlierDetection.js';
import { createNodeDirectory, type NodeDirectory } from '../../src/nodes/nodeDirectory.js';
import { VirtualTime } from './virtualTime.js';

const ready = (id: string, more: object = {}) =>
  createNode({ id, address: '10.0.0.1:1', availability: 'ready', ...more });
const idsUpTo = (count: number) => Array.from({ length: count }, (_, i) => `n${i}`);

/** A detector that finds what it is told to find. */
class Scripted implements Detector {
  readonly finding$ = new Subject<Finding>();
  ports: DetectorPorts | undefined;

  constructor(readonly name: string) {}

  watch(ports: DetectorPorts): Observable<Finding> {
    this.ports = ports;
    return this.finding$;
  }

  /** As a detector does: it asks, and then says. */
  find(id: string): boolean {
    const may = this.ports!.mayEject(id);
    const found = { id, method: 'scripted', reason: 'it fails' };
    if (may) this.finding$.next({ type: 'eject', ...found, until: undefined });
    else this.finding$.next({ type: 'spared', ...found, unenforcedReason: 'max_ejection_overflow' });
    return may;
  }

  readmit(id: string): void {
    this.finding$.next({ type: 'readmit', id, reason: 'its time is over' });
  }
}

interface World {
  readonly directory: NodeDirectory;
  readonly events: HealthEvent[];
  readonly outcomes$: Subject<NodeOutcome>;
  readonly clock: VirtualTime;
  readonly list: (nodes: readonly Node[]) => void;
  readonly nodes: () => readonly Node[];
  readonly reports: () => object[];
  readonly close: () => void;
}

function world(nodes: readonly Node[], detectors: readonly Detector[], budget: EjectionBudgetOptions = {}): World {
  const source$ = new Subject<NodeSet>();
  const directory = createNodeDirectory(source$);
  const { nodes$, eject, readmit } = directory;
  const clock = new VirtualTime();
  const events$ = new Subject<HealthEvent>();
  const events: HealthEvent[] = [];
  events$.subscribe((event) => events.push(event));
  const outcomes$ = new Subject<NodeOutcome>();
  const random = () => 0;
  const ports = {
    outcomes$,
    nodes$,
    nodes: () => nodes$.value,
    events: events$,
    eject,
    readmit,
    scheduler: clock,
    random,
  };
  source$.next(NodeSet.of(nodes));
  const { run$, running } = ejections(detectors, budget, ports);
  const subscription = run$.subscribe();
  return {
    ...{ directory, events, outcomes$, clock },
    list: (next) => source$.next(NodeSet.of(next)),
    nodes: () => nodes$.value.nodes,
    reports: () => running.map(({ name, report }) => ({ name, ...report() })),
    close: () => subscription.unsubscribe(),
  };
}

const out = (nodes: readonly Node[]) => nodes.filter(({ health }) => health === 'ejected').map(({ id }) => id);
const reachable = ({ availability, compatibility, weight }: Node) =>
  (availability === 'ready' || availability === 'discovered') && compatibility === 'compatible' && weight > 0;

describe('the ejection budget', () => {
  it.each([
    // Nodes, percent, at least, of which so many may be out.
    [1, 10, 1, 0],
    [2, 10, 1, 1],
    [3, 10, 1, 1],
    [10, 10, 1, 1],
    [19, 10, 1, 1],
    [20, 10, 1, 2],
    [100, 10, 1, 10],
    [3, 50, 1, 1],
    [4, 50, 1, 2],
    [4, 100, 1, 3],
    [4, 0, 0, 0],
    [4, 0, 2, 2],
    [3, 34, 0, 1],
    [3, 33, 0, 0],
  ])('of %i nodes, at %i % and %i at least, %i may be out', (size, maxEjectionPercent, minEjections, allowed) => {
    const detector = new Scripted('a');
    const { nodes } = world(
      idsUpTo(size).map((id) => ready(id)),
      [detector],
      { maxEjectionPercent, minEjections },
    );
    for (const id of idsUpTo(size)) detector.find(id);
    expect(out(nodes())).toEqual(idsUpTo(allowed));
  });

  it('counts whoever is out, whoever took it out, but a breaker and a user are not asked', () => {
    const [one, other] = [new Scripted('one'), new Scripted('other')];
    const { directory, nodes } = world(
      idsUpTo(30).map((id) => ready(id)),
      [one, other],
    );
    const breaker: Ejection = { by: 'breaker', obstacle: 'circuitOpen', reason: 'shut', until: undefined };
    directory.eject('n0', breaker);
    directory.annotate('n1', { health: 'notServing' });
    expect([one.find('n2'), other.find('n3')]).toEqual([true, false]);
    for (const id of ['n4', 'n5']) directory.eject(id, breaker);
    expect(out(nodes())).toEqual(['n0', 'n2', 'n4', 'n5']);
    directory.readmit('n0', 'breaker');
    directory.annotate('n1', { health: 'serving' });
    expect(other.find('n3')).toBe(false);
    directory.readmit('n4', 'breaker');
    expect(other.find('n3')).toBe(true);
  });

  it('a node that is out already may be taken out by another as well: it makes no difference', () => {
    const [one, other] = [new Scripted('one'), new Scripted('other')];
    const { nodes } = world(
      ['a', 'b', 'c'].map((id) => ready(id)),
      [one, other],
    );
    expect([one.find('a'), other.find('a'), other.find('b')]).toEqual([true, true, false]);
    one.readmit('a');
    expect(out(nodes())).toEqual(['a']);
    other.readmit('a');
    expect(out(nodes())).toEqual([]);
  });

  it('never takes out the last node that takes calls, whatever else is listed', () => {
    const detector = new Scripted('a');
    const listed = [
      ready('last'),
      ready('away', { availability: 'unavailable' }),
      ready('dialled', { availability: 'connecting' }),
      ready('ill', { health: 'notServing' }),
      ready('weightless', { weight: 0 }),
      ready('old', { compatibility: 'incompatible' }),
    ];
    const { nodes } = world(listed, [detector], { maxEjectionPercent: 100 });
    expect(detector.find('last')).toBe(false);
    expect(detector.find('nobody')).toBe(false);
    expect(out(nodes())).toEqual([]);
  });

  it('lets a node in again when those that stood in for it are gone', () => {
    const detector = new Scripted('a');
    const { directory, nodes, events } = world(
      ['x', 'y', 'z'].map((id) => ready(id)),
      [detector],
    );
    detector.find('x');
    directory.annotate('y', { availability: 'unavailable' });
    expect(out(nodes())).toEqual(['x']);
    // z is only dialled anew: calls wait for it.
    directory.annotate('z', { availability: 'connecting' });
    expect(out(nodes())).toEqual(['x']);
    directory.annotate('z', { availability: 'unavailable' });
    expect(out(nodes())).toEqual([]);
    expect(events.at(-1)).toMatchObject({ type: 'readmitted', by: 'a', reason: 'too few other nodes are left' });
    expect(detector.find('x')).toBe(false);
  });

  it('lets nodes in again when the fleet shrinks under them', () => {
    const detector = new Scripted('a');
    const all = idsUpTo(20).map((id) => ready(id));
    const { list, nodes } = world(all, [detector]);
    for (const id of ['n0', 'n1']) detector.find(id);
    list(all.slice(0, 10));
    expect(out(nodes())).toHaveLength(1);
  });

  it('holds while a snapshot is delivered, when what was taken out is not to be seen yet', () => {
    const detector = new Scripted('a');
    const { directory, nodes } = world(
      idsUpTo(10).map((id) => ready(id)),
      [detector],
    );
    const found: boolean[] = [];
    directory.nodes$.pipe(filter((set) => set.nodes.every(({ health }) => health === 'serving'))).subscribe(() => {
      for (const id of ['n0', 'n1', 'n2']) found.push(detector.find(id));
    });
    for (const id of idsUpTo(10)) directory.annotate(id, { health: 'serving' });
    expect(found).toEqual([true, false, false]);
    expect(out(nodes())).toEqual(['n0']);
  });

  it.each([
    [{ maxEjectionPercent: 101 }, 'ejectionBudget.maxEjectionPercent'],
    [{ maxEjectionPercent: -1 }, 'ejectionBudget.maxEjectionPercent'],
    [{ maxEjectionPercent: NaN }, 'ejectionBudget.maxEjectionPercent'],
    [{ minEjections: -1 }, 'ejectionBudget.minEjections'],
    [{ minEjections: 1.5 }, 'ejectionBudget.minEjections'],
    [{ minEjections: NaN }, 'ejectionBudget.minEjections'],
  ])('refuses %o', (budget, field) => {
    expect(() => world([], [], budget)).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }));
    expect(() => world([], [], budget)).toThrow(field);
  });

  /** What may happen: a detector finds a node or lets it in; somebody else does; a node changes, leaves or comes. */
  const id = fc.constantFrom(...idsUpTo(12));
  const act = fc.oneof(
    fc.record({ type: fc.constant('find' as const), id, by: fc.nat(1) }),
    fc.record({ type: fc.constant('find' as const), id, by: fc.nat(1) }),
    fc.record({ type: fc.constant('readmit' as const), id, by: fc.nat(1) }),
    fc.record({ type: fc.constant('breaker' as const), id, open: fc.boolean() }),
    fc.record({
      type: fc.constant('health' as const),
      id,
      health: fc.constantFrom('serving' as const, 'notServing' as const),
    }),
    fc.record({
      type: fc.constant('availability' as const),
      id,
      availability: fc.constantFrom('ready' as const, 'ready' as const, 'connecting' as const, 'unavailable' as const),
    }),
    fc.record({ type: fc.constant('list' as const), ids: fc.subarray(idsUpTo(12)) }),
    // Several findings at once, while a snapshot is being delivered.
    fc.record({ type: fc.constant('burst' as const), ids: fc.array(id, { maxLength: 5 }), by: fc.nat(1) }),
  );

  it('holds whatever is found, in whatever order, with nodes that come and go', () => {
    const budget = fc.record({ maxEjectionPercent: fc.constantFrom(0, 10, 34, 50, 100), minEjections: fc.nat(2) });
    fc.assert(
      fc.property(budget, fc.array(act, { maxLength: 60 }), (options, acts) => {
        const detectors = [new Scripted('one'), new Scripted('other')];
        const all = idsUpTo(12).map((each) => ready(each));
        const { directory, nodes, list } = world(all, detectors, options);
        const { maxEjectionPercent, minEjections } = options;
        const allowed = () => Math.max(minEjections, Math.floor((nodes().length * maxEjectionPercent) / 100));

        // The model: who is out is what the snapshot shows, and who was taken out since.
        const taken = new Set<string>();
        const wrong: string[] = [];
        const find = (by: number, each: string) => {
          const isOut = (node: Node) => taken.has(node.id) || ['ejected', 'notServing'].includes(node.health);
          const others = nodes().filter((node) => node.id !== each);
          const may =
            nodes().some((node) => node.id === each) &&
            others.some((node) => isRoutable(node) && !taken.has(node.id)) &&
            others.filter(isOut).length < allowed();
          // Collected, since what is thrown within a delivery is lost here.
          if (detectors[by]!.find(each) !== may) wrong.push(`${each} ${may ? 'may' : 'must not'} be taken out`);
          if (may) taken.add(each);
        };

        for (const step of acts) {
          taken.clear();
          if (step.type === 'find') find(step.by, step.id);
          else if (step.type === 'readmit') detectors[step.by]!.readmit(step.id);
          else if (step.type === 'health') directory.annotate(step.id, { health: step.health });
          else if (step.type === 'availability') directory.annotate(step.id, { availability: step.availability });
          else if (step.type === 'list') list(all.filter((node) => step.ids.includes(node.id)));
          else if (step.type === 'breaker') {
            if (!step.open) directory.readmit(step.id, 'breaker');
            else directory.eject(step.id, { by: 'breaker', obstacle: 'circuitOpen', reason: '', until: undefined });
          } else {
            const during = directory.nodes$.subscribe((set) => {
              if (set.nodes.some(({ load }) => load.queue === 7)) {
                directory.annotate(set.nodes.find(({ load }) => load.queue === 7)!.id, { load: {} });
                for (const each of step.ids) find(step.by, each);
              }
            });
            const target = nodes()[0];
            if (target) directory.annotate(target.id, { load: { queue: 7 } });
            during.unsubscribe();
          }

          expect(wrong).toEqual([]);
          const held = nodes().filter(
            ({ health, ejections: by }) =>
              health === 'ejected' && by.length > 0 && by.every((one) => one.by !== 'breaker'),
          );
          expect(held.length).toBeLessThanOrEqual(allowed());
          const served = nodes().some((node) => isRoutable(node) || isPending(node));
          if (!served) expect(held.filter(reachable)).toEqual([]);
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('ejections', () => {
  it('tells who was found, by what method, whether it is out, and until when', () => {
    const { events, outcomes$, nodes, clock } = world(
      ['x', 'y', 'z'].map((id) => ready(id)),
      [consecutiveFailures({ failures: 1, baseEjectionTimeMs: 10 })],
    );
    const fail = (id: string) => {
      const node = nodes().find((each) => each.id === id)!;
      outcomes$.next({ node, outcome: { status: 'failed', latencyMs: 1, code: 'UNAVAILABLE', blame: 'network' } });
    };
    clock.advance(5);
    fail('x');
    fail('y');
    clock.advance(10);
    const reason = '1 calls in a row failed, the last with UNAVAILABLE';
    const found = { type: 'ejected', at: 5, by: 'consecutiveFailures', method: 'consecutive_failure', reason };
    expect(events).toMatchObject([
      { ...found, node: { id: 'x', health: 'ejected' }, enforced: true, until: 15, unenforcedReason: undefined },
      { ...found, node: { id: 'y' }, enforced: false, until: undefined, unenforcedReason: 'max_ejection_overflow' },
      {
        type: 'readmitted',
        at: 15,
        node: { id: 'x', health: 'unknown' },
        by: 'consecutiveFailures',
        reason: 'its time is over',
      },
    ]);
  });

  it('reports what each detector stands at', () => {
    const detectors = [new Scripted('a'), new Scripted('a'), new Scripted('b')];
    const { reports } = world(
      idsUpTo(30).map((id) => ready(id)),
      detectors,
    );
    detectors[1]!.find('n0');
    detectors[1]!.find('n1');
    detectors[2]!.finding$.next({ type: 'inert', reason: 'no calls' });
    expect(reports()).toEqual([
      { name: 'a', out: 0, inert: undefined },
      { name: 'a 2', out: 2, inert: undefined },
      { name: 'b', out: 0, inert: 'no calls' },
    ]);
    detectors[2]!.finding$.next({ type: 'inert', reason: undefined });
    expect(reports()[2]).toEqual({ name: 'b', out: 0, inert: undefined });
  });

  it.each([
    ['ends', (detector: Scripted) => detector.finding$.complete(), undefined],
    ['breaks', (detector: Scripted) => detector.finding$.error(new Error('no more')), 'it broke: no more'],
  ])('when a detector %s its nodes are let in, and the others go on', (_, end, inert) => {
    const [one, other] = [new Scripted('one'), new Scripted('other')];
    const { nodes, reports } = world(
      idsUpTo(30).map((id) => ready(id)),
      [one, other],
    );
    one.find('n0');
    other.find('n1');
    end(one);
    expect(out(nodes())).toEqual(['n1']);
    expect(reports()[0]).toEqual({ name: 'one', out: 0, inert });
    expect(other.find('n2')).toBe(true);
  });

  it('a detector that cannot even begin breaks nothing else', () => {
    const broken: Detector = { name: 'broken', watch: () => throwError(() => new Error('no')) };
    const other = new Scripted('other');
    const { nodes } = world(
      idsUpTo(3).map((id) => ready(id)),
      [broken, other],
    );
    expect(other.find('n0')).toBe(true);
    expect(out(nodes())).toEqual(['n0']);
  });

  it('unsubscribing leaves no timer, and who is out where it is; so does the end of the nodes', () => {
    for (const end of ['unsubscribed', 'closed'] as const) {
      const detectors = [consecutiveFailures({ failures: 1 }), outlierDetection()];
      const { nodes, outcomes$, clock, close, directory } = world(
        idsUpTo(3).map((id) => ready(id)),
        detectors,
      );
      outcomes$.next({
        node: nodes()[0]!,
        outcome: { status: 'failed', latencyMs: 1, code: 'INTERNAL', blame: 'node' },
      });
      expect(out(nodes())).toEqual(['n0']);
      expect(clock.timers).toBe(2);
      if (end === 'closed') directory.close();
      else close();
      expect(clock.timers).toBe(0);
      expect(out(nodes())).toEqual(['n0']);
    }
  });

  it('no node stays out for ever, whatever its calls, with nodes that come and go', () => {
    const id = fc.constantFrom(...idsUpTo(6));
    const act = fc.oneof(
      { weight: 6, arbitrary: fc.record({ type: fc.constant('calls' as const), id, good: fc.nat(3), bad: fc.nat(6) }) },
      {
        weight: 2,
        arbitrary: fc.record({ type: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 60_000 }) }),
      },
      { weight: 1, arbitrary: fc.record({ type: fc.constant('list' as const), ids: fc.subarray(idsUpTo(6)) }) },
      { weight: 1, arbitrary: fc.record({ type: fc.constant('lift' as const), id }) },
      { weight: 1, arbitrary: fc.record({ type: fc.constant('move' as const), id }) },
    );
    fc.assert(
      fc.property(fc.array(act, { maxLength: 80 }), (acts) => {
        const volume = { minimumHosts: 2, requestVolume: 2 };
        const detectors = [
          consecutiveFailures({ jitterMs: 1_000 }),
          consecutiveFailures({ gatewayOnly: true, failures: 2 }),
          outlierDetection({ successRate: { ...volume, stdevFactor: 500 }, failurePercentage: volume }),
        ];
        let all = idsUpTo(6).map((each) => ready(each));
        let listed = all;
        const budget = { maxEjectionPercent: 50 };
        const { nodes, list, outcomes$, clock, directory, close } = world(all, detectors, budget);
        for (const step of acts) {
          if (step.type === 'wait') clock.advance(step.ms);
          else if (step.type === 'list') list((listed = all.filter((node) => step.ids.includes(node.id))));
          else if (step.type === 'lift') {
            for (const { by } of directory.nodes$.value.get(step.id)?.ejections ?? []) directory.readmit(step.id, by);
          } else if (step.type === 'move') {
            const moved = (node: Node) =>
              node.id === step.id ? ready(node.id, { address: `10.0.0.2:${node.address.port + 1}` }) : node;
            all = all.map(moved);
            list((listed = listed.map(moved)));
          } else {
            for (let i = 0; i < step.good + step.bad; i++) {
              const node = nodes().find((each) => each.id === step.id);
              const code = i % 2 ? 'UNAVAILABLE' : 'INTERNAL';
              if (node && i < step.good) outcomes$.next({ node, outcome: { status: 'ok', latencyMs: 1 } });
              else if (node) outcomes$.next({ node, outcome: { status: 'failed', latencyMs: 1, code, blame: 'node' } });
            }
          }
          for (const node of nodes()) {
            // Nobody is out without somebody who will let it in, and never for longer than he may.
            expect(node.health === 'ejected').toBe(node.ejections.length > 0);
            for (const { until } of node.ejections) {
              expect(until).toBeLessThanOrEqual(clock.now() + 301_000);
              expect(until).toBeGreaterThanOrEqual(clock.now());
            }
          }
        }
        clock.advance(311_000);
        expect(out(nodes())).toEqual([]);
        close();
        expect(clock.timers).toBe(0);
      }),
      { numRuns: 200 },
    );
  });
});
