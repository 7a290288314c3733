import { BehaviorSubject, catchError, concat, defer, of, tap, type Observable } from 'rxjs';
import type { Capability } from '../../src/core/capability.js';
import { FleetError } from '../../src/core/fleetError.js';
import { isRoutable } from '../../src/core/isRoutable.js';
import { createNode, type NodeState } from '../../src/core/node.js';
import { NodeSet } from '../../src/core/nodeSet.js';
import { taskRequirement } from '../../src/lumen/taskRequirement.js';
import { untilOffered } from '../../src/lumen/untilOffered.js';
import { marble, type MarbleHelpers } from '../../src/testing/marble.js';

const capability = (task: string): Capability => ({
  ...{ service: 's', models: [], runtime: '', maxConcurrency: 1, precisions: [], protocolVersion: '1.0', extra: {} },
  tasks: [
    { name: task, inputMimes: [], outputMimes: [], limits: {}, tensorPreprocessId: '', tensorBatchingSupported: false },
  ],
});
const node = (id: string, task: string, state: Partial<NodeState> = {}) =>
  createNode({ id, address: '10.0.0.1:1', availability: 'ready', capabilities: [capability(task)], ...state });
const sets = {
  e: NodeSet.of([node('x', 'embed')]),
  d: NodeSet.of([node('x', 'embed'), node('y', 'ocr', { availability: 'unavailable', availabilityReason: 'refused' })]),
  c: NodeSet.of([node('x', 'embed'), node('y', 'ocr', { availability: 'connecting' })]),
  r: NodeSet.of([node('x', 'embed'), node('y', 'ocr')]),
  i: NodeSet.of([node('x', 'embed'), node('y', 'ocr', { compatibility: 'incompatible' })]),
};
const requires = taskRequirement({ tasks: ['ocr'] });
const noNode = new FleetError('NO_NODE_FOR_TASK', 'no node offers task ocr', { sent: false });

/** Runs a call that finds a node only when one is routable; `sets` changes over time. */
const run = (m: MarbleHelpers, diagram: string, answer: Observable<string>, deadlineMs = Infinity) => {
  const nodes$ = new BehaviorSubject(NodeSet.empty);
  const set$ = m.hot(diagram, sets).pipe(tap((set) => nodes$.next(set)));
  m.expectObservable(set$).toBe(diagram, sets);
  const call = () =>
    defer(() => {
      const found = nodes$.value.nodes.some((each) => isRoutable(each) && requires.test(each));
      return found ? answer : m.cold<string>('#', {}, noNode);
    });
  // The first set is there when the call begins.
  return concat(
    m.cold<string>('-|'),
    untilOffered({ nodes$, scheduler: m.scheduler }, requires, { deadlineMs, maxAttempts: 3 }, call),
  ).pipe(
    catchError((error: unknown) => of(error instanceof FleetError ? `${error.code} ${error.detail}` : String(error))),
  );
};

describe('untilOffered', () => {
  marble('a task that is offered is called at once', (m) => {
    m.expectObservable(run(m, 'r------', m.cold('-a|'))).toBe('--a|');
  });

  marble('a task that nobody offers fails at once, and names those that there are', (m) => {
    m.expectObservable(run(m, 'e------', m.cold('-a|'))).toBe('-(e|)', {
      e: 'NO_NODE_FOR_TASK no node offers task ocr: the nodes offer embed',
    });
  });

  marble('a node that offers it and is down is waited for', (m) => {
    m.expectObservable(run(m, 'd--c--r---', m.cold('-a|'))).toBe('-------a|');
  });

  marble('waiting ends in an error when the node goes, or is found incompatible', (m) => {
    const e = 'NO_NODE_FOR_TASK no node offers task ocr: the nodes offer embed';
    m.expectObservable(run(m, 'd--e------', m.cold('-a|'))).toBe('---(e|)', { e });
    m.expectObservable(run(m, 'd--i------', m.cold('-a|'))).toBe('---(e|)', { e });
  });

  marble('waiting ends at the deadline, and says who was waited for', (m) => {
    m.expectObservable(run(m, 'd---------', m.cold('-a|'), 5)).toBe('------(e|)', {
      e: 'DEADLINE_EXCEEDED no node that offers task ocr took calls within 5 ms (y: unavailable: refused)',
    });
  });

  marble('other errors pass as they are', (m) => {
    const answer = m.cold('-#', {}, new FleetError('INTERNAL', 'broken'));
    m.expectObservable(run(m, 'r------', answer)).toBe('--(e|)', { e: 'INTERNAL broken' });
  });

  marble('when all attempts are spent, the error is that of the last one, however often a node comes back', (m) => {
    const attempt = (name: string) =>
      ({ node: name, address: '', code: 'UNAVAILABLE', message: 'it died', durationMs: 1 }) as const;
    const died = new FleetError('NO_NODES', 'none is left', { attempts: [attempt('y')] });
    const nodes$ = new BehaviorSubject<NodeSet>(sets.r);
    const tries: number[] = [];
    const call = ({ maxAttempts }: { maxAttempts: number }) => {
      tries.push(maxAttempts);
      return m.cold<string>('-#', {}, died);
    };
    const result$ = untilOffered(
      { nodes$, scheduler: m.scheduler },
      requires,
      { deadlineMs: 100, maxAttempts: 3 },
      call,
    );
    const told$ = result$.pipe(
      catchError((error: unknown) =>
        of(error instanceof FleetError ? `${error.code} ${error.detail} ${error.attempts.length}` : ''),
      ),
    );
    m.expectObservable(told$).toBe('---(e|)', { e: 'UNAVAILABLE it died 3' });
    m.flush();
    expect(tries).toEqual([3, 2, 1]);
  });

  marble('a call whose only node dies under it runs anew once the node is back, if nothing was said yet', (m) => {
    const attempts = [{ node: 'y', address: '', code: 'UNAVAILABLE', message: 'died', durationMs: 1 }] as const;
    const died = new FleetError('UNAVAILABLE', 'died', { attempts });
    const told = (first: string) => {
      const nodes$ = new BehaviorSubject<NodeSet>(sets.r);
      m.expectObservable(m.hot('--d-----r---', sets).pipe(tap((set) => nodes$.next(set)))).toBe('--d-----r---', sets);
      const answers = [m.cold<string>(first, {}, died), m.cold<string>('-b|')];
      const allowance = { deadlineMs: 100, maxAttempts: 3 };
      return untilOffered({ nodes$, scheduler: m.scheduler }, requires, allowance, () => answers.shift()!);
    };
    m.expectObservable(told('---#')).toBe('---------b|');
    m.expectObservable(told('-a-#')).toBe('-a-#', {}, died);
  });

  marble('unsubscribing ends the waiting', (m) => {
    const answer = m.cold('-a|');
    m.expectObservable(run(m, 'd----r----', answer), '---!').toBe('----');
    m.expectSubscriptions(answer.subscriptions).toBe([]);
  });
});
