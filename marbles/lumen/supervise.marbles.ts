import { BehaviorSubject, filter, map, tap, type Observable } from 'rxjs';
import type { NodeOutcome } from '../../src/core/nodeOutcome.js';
import type { Channel, ConnectivityState } from '../../src/core/channel.js';
import { createNode, updateNode, type NodeState } from '../../src/core/node.js';
import { NodeSet } from '../../src/core/nodeSet.js';
import type { Outcome } from '../../src/core/nodeStats.js';
import { supervise } from '../../src/lumen/supervise.js';
import { marble, type MarbleHelpers } from '../../src/testing/marble.js';

const failed: Outcome = { status: 'failed', latencyMs: 1, code: 'UNAVAILABLE', blame: 'network' };
const ready = { availability: 'ready', compatibility: 'compatible' } as const;
const a = createNode({ id: 'a', address: '10.0.0.1:1', ...ready });
const b = createNode({ id: 'b', address: '10.0.0.2:1', ...ready });
const outcomes: Record<string, NodeOutcome> = {
  f: { node: a, outcome: failed },
  s: { node: a, outcome: { status: 'ok', latencyMs: 1 } },
};

/** The rests of node a, with each annotation applied as the client does; `changes` are what its connection does. */
const rests = (
  m: MarbleHelpers,
  nodes: NodeSet,
  outcome$: Observable<NodeOutcome>,
  changes$: Observable<Partial<NodeState>> = m.cold(''),
) => {
  const nodes$ = new BehaviorSubject(nodes);
  let state: ConnectivityState = 'READY';
  const annotate = (id: string, change: Partial<NodeState>) => {
    const node = nodes$.value.get(id);
    if (node) nodes$.next(nodes$.value.with(updateNode(node, change)));
  };
  m.expectObservable(
    changes$.pipe(
      tap((change) => {
        state = change.availability === 'ready' ? 'READY' : 'TRANSIENT_FAILURE';
        annotate('a', change);
      }),
      filter(() => false),
    ),
  ).toBe('');
  const channel = () => ({ state }) as Channel;
  return supervise(
    { nodes$, outcomes$: outcome$, channel },
    {
      handshake: { scheduler: m.scheduler },
      cooldown: { minMs: 10, maxMs: 40, scheduler: m.scheduler },
      scheduler: m.scheduler,
    },
  ).pipe(
    // What the handshake finds has marbles of its own.
    filter(({ state: change }) => change.availability !== undefined),
    tap(({ id, state: change }) => annotate(id, change)),
    map(({ id, state: change }) => `${id} ${change.availability}`),
  );
};
const told = { r: 'a unavailable', o: 'a ready' };

describe('supervise', () => {
  marble('a node that fails three times in a row rests, then takes calls again', (m) => {
    const rest$ = rests(m, NodeSet.of([a, b]), m.hot('-f-f-f-----', outcomes));
    m.expectObservable(rest$, '30ms !').toBe('-----r---------o', told);
  });

  marble('the rest itself is no news of the node: the next one is twice as long', (m) => {
    const rest$ = rests(m, NodeSet.of([a, b]), m.hot('fff 12ms f', outcomes));
    m.expectObservable(rest$, '60ms !').toBe('--r---------o--r 19ms o', told);
  });

  marble('a new connection ends the rest, and is not announced twice', (m) => {
    const change$ = m.hot('----d-u--', { d: { availability: 'connecting' }, u: { availability: 'ready' } } as const);
    const rest$ = rests(m, NodeSet.of([a, b]), m.hot('fff------', outcomes), change$);
    m.expectObservable(rest$, '30ms !').toBe('--r---o', told);
  });

  marble('the last node that takes calls does not rest', (m) => {
    m.expectObservable(rests(m, NodeSet.of([a]), m.hot('ffff---', outcomes)), '30ms !').toBe('');
  });

  marble('a success between the failures forgives them', (m) => {
    m.expectObservable(rests(m, NodeSet.of([a, b]), m.hot('ffsff--', outcomes)), '30ms !').toBe('');
  });
});
