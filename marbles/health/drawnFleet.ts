/** Detectors over a real directory of nodes, on virtual time: calls are drawn, and what is told of the nodes is read. */

import { ignoreElements, map, merge, Subject, tap, type Observable } from 'rxjs';
import { errorCodes, type FleetErrorCode } from '../../src/core/errorCodes.js';
import { createNode, type Node } from '../../src/core/node.js';
import type { NodeOutcome } from '../../src/core/nodeOutcome.js';
import { NodeSet } from '../../src/core/nodeSet.js';
import type { Outcome } from '../../src/core/nodeStats.js';
import type { Detector } from '../../src/health/detector.js';
import type { EjectionBudgetOptions } from '../../src/health/ejectionBudget.js';
import { ejections } from '../../src/health/ejections.js';
import type { HealthEvent } from '../../src/health/healthEvent.js';
import { createNodeDirectory, type NodeDirectory } from '../../src/nodes/nodeDirectory.js';
import type { MarbleHelpers } from '../../src/testing/marble.js';

export const ok: Outcome = { status: 'ok', latencyMs: 1 };
export const cancelled: Outcome = { status: 'cancelled', latencyMs: 1 };
export const failed = (code: FleetErrorCode = 'UNAVAILABLE'): Outcome => ({
  status: 'failed',
  latencyMs: 1,
  code,
  blame: errorCodes[code].blame,
});

/** So many calls of one node that end alike. */
export interface Ended {
  readonly id: string;
  readonly outcome: Outcome;
  readonly times?: number;
}

export const nodesOf = (ids: string): readonly Node[] =>
  [...ids].map((id) => createNode({ id, address: '10.0.0.1:1', availability: 'ready' }));

export interface DrawnFleet {
  readonly directory: NodeDirectory;
  /** What happens, in words: `x out: …`, `x spared (…)`, `x in`. */
  readonly told$: Observable<string>;
  /** Each event as it is. */
  readonly events$: Observable<HealthEvent>;
  /** Where calls that end are told of. */
  readonly outcomes$: Subject<NodeOutcome>;
}

export interface DrawnOptions {
  readonly budget?: EjectionBudgetOptions;
  readonly random?: () => number;
  /** Sets over time instead of one at the start. */
  readonly sets$?: Observable<NodeSet>;
}

/**
 * @param calls a diagram of calls that end; each letter ends those that `letters` names.
 */
export function drawnFleet(
  { hot, cold, scheduler }: MarbleHelpers,
  nodes: readonly Node[],
  detectors: readonly Detector[],
  calls: string,
  letters: Readonly<Record<string, readonly Ended[]>>,
  options: DrawnOptions = {},
): DrawnFleet {
  const {
    budget = { maxEjectionPercent: 100 },
    random = () => 0,
    sets$ = cold('a', { a: NodeSet.of(nodes) }),
  } = options;
  const directory = createNodeDirectory(sets$);
  const { nodes$, eject, readmit } = directory;
  const events = new Subject<HealthEvent>();
  const outcomes$ = new Subject<NodeOutcome>();
  const end = (...ended: readonly Ended[]) => {
    for (const { id, outcome, times = 1 } of ended) {
      for (let i = 0; i < times; i++) {
        const node = nodes$.value.get(id);
        if (node) outcomes$.next({ node, outcome });
      }
    }
  };
  const ports = { outcomes$, nodes$, nodes: () => nodes$.value, events, eject, readmit, scheduler, random };
  const { run$ } = ejections(detectors, budget, ports);
  const drawn$ = hot(calls).pipe(
    tap((letter) => end(...(letters[letter] ?? []))),
    ignoreElements(),
  );
  const events$ = merge(events, run$, drawn$);
  return { directory, outcomes$, events$, told$: events$.pipe(map(inWords)) };
}

function inWords(event: HealthEvent): string {
  if (event.type === 'readmitted') return `${event.node.id} in`;
  if (event.type === 'detectorInert') return `inert: ${event.reason}`;
  if (event.type !== 'ejected') return event.type;
  const { node, reason, unenforcedReason } = event;
  return unenforcedReason ? `${node.id} spared (${unenforcedReason})` : `${node.id} out: ${reason}`;
}
