import { distinctUntilChanged, ignoreElements, map, merge, tap, type Observable } from 'rxjs';
import { isPending, whyNotRoutable } from '../../src/core/isRoutable.js';
import { createNode, type Node, type NodeState } from '../../src/core/node.js';
import type { NodeOutcome } from '../../src/core/nodeOutcome.js';
import { NodeSet } from '../../src/core/nodeSet.js';
import type { Outcome } from '../../src/core/nodeStats.js';
import { supervise } from '../../src/lumen/supervise.js';
import { createNodeDirectory, type NodeDirectory } from '../../src/nodes/nodeDirectory.js';
import { marble, type MarbleHelpers } from '../../src/testing/marble.js';

const failed: Outcome = { status: 'failed', latencyMs: 1, code: 'UNAVAILABLE', blame: 'network' };
const [a, b] = ['a', 'b'].map((id) => createNode({ id, address: '10.0.0.1:1' })) as [Node, Node];
const outcomes: Record<string, NodeOutcome> = {
  f: { node: a, outcome: failed },
  g: { node: b, outcome: failed },
  s: { node: a, outcome: { status: 'ok', latencyMs: 1 } },
};
/** What the connection of node a does. */
const states = {
  u: { availability: 'unavailable', availabilityReason: 'refused' },
  c: { availability: 'connecting', availabilityReason: undefined },
  r: { availability: 'ready', availabilityReason: undefined },
} as const;

interface Drawn {
  readonly directory: NodeDirectory;
  /** What keeps node a from calls, each time that it is another. */
  readonly why$: Observable<string | undefined>;
}

/** A fleet of nodes that are ready, over a real directory; node a fails and succeeds, and its connection changes. */
const drawn = (m: MarbleHelpers, nodes: readonly Node[], ended: string, changes = ''): Drawn => {
  const initialState = { availability: 'ready', compatibility: 'compatible' } as const;
  const directory = createNodeDirectory(m.cold('a', { a: NodeSet.of(nodes) }), { initialState });
  const fleet = {
    ...directory,
    outcomes$: m.hot(ended, outcomes),
    // The handshake has marbles of its own: here nobody answers it, and it tells only once that it asked.
    channel: () => undefined,
    annotate: (id: string, { compatibility: _, compatibilityReason: _reason, ...state }: Partial<NodeState>) =>
      directory.annotate(id, state),
  };
  const care$ = supervise(fleet, {
    handshake: { scheduler: m.scheduler },
    cooldown: { minMs: 10, maxMs: 40, scheduler: m.scheduler },
    scheduler: m.scheduler,
  });
  const connection$ = m.hot(changes, states).pipe(
    tap((state) => directory.annotate('a', state)),
    ignoreElements(),
  );
  const why$ = directory.node$('a').pipe(map(whyNotRoutable), distinctUntilChanged());
  return { directory, why$: merge(why$, care$, connection$) };
};
const values = {
  o: undefined,
  r: 'ejected: cooldown: rests for 10 ms after repeated failures',
  s: 'ejected: cooldown: rests for 20 ms after repeated failures',
  u: 'unavailable: refused',
  c: 'connecting',
};

describe('supervise', () => {
  marble('a node that fails three times in a row rests, then takes calls again', (m) => {
    m.expectObservable(drawn(m, [a, b], '-f-f-f-----').why$, '30ms !').toBe('o----r---------o', values);
  });

  marble('a rest is an ejection, by its name and with its end', (m) => {
    const { directory, why$ } = drawn(m, [a, b], 'fff');
    const ejections$ = directory.node$('a').pipe(map(({ ejections, availability }) => ({ availability, ejections })));
    const [ejection] = [
      { by: 'cooldown', obstacle: 'cooling', reason: 'rests for 10 ms after repeated failures', until: 12 },
    ];
    m.expectObservable(why$, '5ms !').toBe('o-r', values);
    m.expectObservable(ejections$, '5ms !').toBe('a-b', {
      a: { availability: 'ready', ejections: [] },
      b: { availability: 'ready', ejections: [ejection] },
    });
  });

  marble('the rest itself is no news of the node: the next one is twice as long', (m) => {
    m.expectObservable(drawn(m, [a, b], 'fff 12ms f').why$, '60ms !').toBe('o-r---------o--s 19ms o', values);
  });

  marble('a new connection ends the rest', (m) => {
    m.expectObservable(drawn(m, [a, b], 'fff------', '----c-r--').why$, '30ms !').toBe('o-r-c-o', values);
  });

  marble('a node that loses its connection while it rests is waited for, once it is dialled again', (m) => {
    const { directory, why$ } = drawn(m, [a, b], 'fff------', '----u-c-r');
    m.expectObservable(why$, '30ms !').toBe('o-r-u-c-o', values);
    m.expectObservable(directory.node$('a').pipe(map(isPending), distinctUntilChanged()), '9ms !').toBe('n-----y-n', {
      n: false,
      y: true,
    });
  });

  marble('dialling that fails counts, and who cannot be reached does not come back for having rested', (m) => {
    m.expectObservable(drawn(m, [a, b], '', '-ucucu-------------c-r').why$, '30ms !').toBe(
      'oucucu-------------c-o',
      values,
    );
  });

  marble('a success ends the rest', (m) => {
    m.expectObservable(drawn(m, [a, b], 'fff--s').why$, '30ms !').toBe('o-r--o', values);
  });

  marble('the last node that takes calls does not rest', (m) => {
    m.expectObservable(drawn(m, [a], 'ffff---').why$, '30ms !').toBe('o', values);
    // b rests first; a may not, then.
    m.expectObservable(drawn(m, [a, b], 'gggfff---').why$, '9ms !').toBe('o', values);
  });

  marble('a success between the failures forgives them', (m) => {
    m.expectObservable(drawn(m, [a, b], 'ffsff--').why$, '30ms !').toBe('o', values);
  });
});
