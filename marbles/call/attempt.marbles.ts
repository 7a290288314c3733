import { startWith, Subject, type Observable } from 'rxjs';
import type { Picker } from '../../src/balancer/picker.js';
import { roundRobin } from '../../src/balancer/roundRobin.js';
import { attempt } from '../../src/call/attempt.js';
import { Call, type CallOptions } from '../../src/call/call.js';
import { deadlineWheel } from '../../src/core/deadlineWheel.js';
import { FleetError } from '../../src/core/fleetError.js';
import { createNode, type Node, type NodeInit } from '../../src/core/node.js';
import { NodeSet } from '../../src/core/nodeSet.js';
import type { Outcome } from '../../src/core/nodeStats.js';
import { marble, type MarbleHelpers } from '../../src/testing/marble.js';

const node = (id: string, more: NodeInit = {}) => createNode({ id, address: `${id}:1`, ...more });

interface Setting extends CallOptions {
  readonly single?: boolean;
  /** The node is no longer there when its connection is asked for. */
  readonly gone?: boolean;
}

/** One attempt over the sets of a diagram; each node answers with what `answers` has under its id. */
function attemptOver(
  m: MarbleHelpers,
  sets: Observable<NodeSet>,
  answers: Record<string, Observable<string>>,
  { single = false, gone = false, ...options }: Setting = {},
) {
  const ended: string[] = [];
  const leases = { open: 0 };
  let picker!: Picker;
  const picker$ = new Subject<Picker>();
  sets.pipe(roundRobin()).subscribe((next) => {
    picker = next;
    picker$.next(next);
  });
  const wheel = deadlineWheel(m.scheduler);
  const handler = attempt<string>({
    picker: () => picker,
    picker$,
    acquire: ({ id }) => {
      if (gone) return undefined;
      leases.open++;
      return { connection: id, release: () => void leases.open-- };
    },
    ended: ({ id }, { status, latencyMs }: Outcome) => ended.push(`${id} ${status} ${latencyMs}`),
    wheel,
    now: () => m.scheduler.now(),
  });
  const call = new Call<string, string>({
    name: 'call',
    run: (id) => answers[id]!,
    options,
    single,
    idempotent: true,
    startedAt: 0,
    demand: undefined,
  });
  return { answer$: handler(call), call, ended, leases };
}

/** A set that is there at once, as a BehaviorSubject has it. */
const now = (m: MarbleHelpers, ...nodes: Node[]) => m.cold<NodeSet>('-').pipe(startWith(NodeSet.of(nodes)));

const downAt = (id: string, message: string, durationMs: number) => {
  const attempts = [{ node: id, address: `${id}:1`, code: 'UNAVAILABLE' as const, message, durationMs }];
  return { node: id, attempts };
};

describe('attempt', () => {
  marble('runs on the node that was picked, and tells how it ended', (m) => {
    const run = attemptOver(m, now(m, node('x')), { x: m.cold('-a-b|') });
    m.expectObservable(run.answer$).toBe('-a-b|');
    m.flush();
    expect(run.ended).toEqual(['x ok 4']);
    expect(run.leases.open).toBe(0);
  });

  marble('waits while a node is being dialled, and runs as soon as it is ready', (m) => {
    const sets = m.cold('---b', { b: NodeSet.of([node('x', { availability: 'ready' })]) });
    const dialled = sets.pipe(startWith(NodeSet.of([node('x', { availability: 'connecting' })])));
    const run = attemptOver(m, dialled, { x: m.cold('-a|') });
    m.expectObservable(run.answer$).toBe('----a|');
  });

  marble('nobody can take it: an error at once that names who was left out and why', (m) => {
    const down = node('x', { availability: 'unavailable', availabilityReason: 'refused' });
    const run = attemptOver(m, now(m, down), {});
    const error = new FleetError('NO_NODES', 'call: no node can take the call. Known are x: unavailable: refused', {
      attempts: [],
      sent: false,
    });
    m.expectObservable(run.answer$).toBe('#', {}, error);
  });

  marble('an unknown task is an error at once, not a wait', (m) => {
    const requires = { name: 'task ocr', test: () => false };
    const run = attemptOver(m, now(m, node('x')), {}, { requires });
    const error = new FleetError(
      'NO_NODE_FOR_TASK',
      'call: no node offers task ocr. Known are x: does not offer task ocr',
      { attempts: [], sent: false },
    );
    m.expectObservable(run.answer$).toBe('#', {}, error);
  });

  marble('waitForReady waits where others would fail', (m) => {
    const sets = m.cold('---b', { b: NodeSet.of([node('x')]) }).pipe(startWith(NodeSet.of([])));
    const run = attemptOver(m, sets, { x: m.cold('-a|') }, { waitForReady: true });
    m.expectObservable(run.answer$).toBe('----a|');
  });

  marble('a failure is charged to the node and carries its name', (m) => {
    const run = attemptOver(m, now(m, node('x')), { x: m.cold('--#', {}, new FleetError('UNAVAILABLE', 'reset')) });
    const error = new FleetError('UNAVAILABLE', 'reset', downAt('x', 'reset', 2));
    m.expectObservable(run.answer$).toBe('--#', {}, error);
    m.flush();
    expect(run.ended).toEqual(['x failed 2']);
    expect(run.leases.open).toBe(0);
    expect([...run.call.tried!]).toEqual(['x']);
  });

  marble('the next attempt of the call goes to another node', (m) => {
    const run = attemptOver(m, now(m, node('x'), node('y')), { x: m.cold('#'), y: m.cold('a|') });
    run.call.failed({ node: 'x', address: 'x:1', code: 'UNAVAILABLE', message: '', durationMs: 0 });
    m.expectObservable(run.answer$).toBe('a|');
  });

  marble('a node that accepts and never answers is given up after firstResponseTimeoutMs', (m) => {
    const silent = m.cold('-');
    const run = attemptOver(m, now(m, node('x')), { x: silent }, { firstResponseTimeoutMs: 3 });
    const message = 'no response within 3 ms (firstResponseTimeoutMs)';
    m.expectObservable(run.answer$).toBe('---#', {}, new FleetError('UNAVAILABLE', message, downAt('x', message, 3)));
    m.expectSubscriptions(silent.subscriptions).toBe('^--!');
  });

  marble('a stream that has begun in time may then be slow', (m) => {
    const run = attemptOver(m, now(m, node('x')), { x: m.cold('--a-----b|') }, { firstResponseTimeoutMs: 3 });
    m.expectObservable(run.answer$).toBe('--a-----b|');
  });

  marble('a caller who leaves cancels on the node, and it counts for load but not against the node', (m) => {
    const answers = m.cold('-a-b-c|');
    const run = attemptOver(m, now(m, node('x')), { x: answers });
    m.expectObservable(run.answer$, '^--!').toBe('-a-');
    m.expectSubscriptions(answers.subscriptions).toBe('^--!');
    m.flush();
    expect(run.ended).toEqual(['x cancelled 3']);
    expect(run.leases.open).toBe(0);
  });

  marble('a caller who takes the one answer and leaves has not cancelled it', (m) => {
    const run = attemptOver(m, now(m, node('x')), { x: m.cold('-(a|)') }, { single: true });
    m.expectObservable(run.answer$, '^!').toBe('-');
    m.expectObservable(run.answer$, '^-!').toBe('-(a|)');
    m.flush();
    expect(run.ended).toEqual(['x cancelled 1', 'x ok 1']);
  });

  marble('a node that has just gone is a failure before sending, so anyone may take over', (m) => {
    const run = attemptOver(m, now(m, node('x')), {}, { gone: true });
    const message = 'the node has just gone';
    const error = new FleetError('UNAVAILABLE', message, { sent: false, ...downAt('x', message, 0) });
    m.expectObservable(run.answer$).toBe('#', {}, error);
  });
});
