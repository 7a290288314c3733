/**
 * Who is taken out for its failures, by all who find such nodes, under one budget.
 *
 * Each detector alone can be right and all together still empty a fleet: an outage looks like many bad nodes. So nobody takes
 * a node out by itself; it asks, and one budget counts everybody who is out already, whoever took them out and why.
 */

import { ignoreElements, merge, tap, type Observable, type SchedulerLike } from 'rxjs';
import type { EventSink } from '../core/eventSink.js';
import { isRoutable } from '../core/isRoutable.js';
import type { Ejection, Node } from '../core/node.js';
import type { NodeSet } from '../core/nodeSet.js';
import type { NodeOutcome } from '../core/nodeOutcome.js';
import { requireOption } from '../core/requireOption.js';
import type { HealthEvent } from './healthEvent.js';

/** Finds nodes that should be out for a while, such as `outlierDetection()`. */
export interface Detector {
  /** As reasons and events call it, such as `outlierDetection`. */
  readonly name: string;
  /** What it finds, for as long as it is subscribed. */
  watch(ports: DetectorPorts): Observable<Finding>;
}

/** What a detector may look at. */
export interface DetectorPorts {
  /** Each attempt, as it ends. */
  readonly outcomes$: Observable<NodeOutcome>;
  /** The world now, then each change. */
  readonly nodes$: Observable<NodeSet>;
  /** Whether this node may be taken out now. Ask at the moment of the finding, one node after the other. */
  readonly mayEject: (id: string) => boolean;
  readonly scheduler: SchedulerLike;
  readonly random: () => number;
}

/**
 * What a detector says of a node. `eject`: take it out. `spared`: it would be taken out, but must not. `readmit`: let it in
 * again.
 */
export type Finding =
  | { readonly id: string; readonly type: 'eject'; readonly reason: string; readonly until: number | undefined }
  | { readonly id: string; readonly type: 'spared'; readonly reason: string }
  | { readonly id: string; readonly type: 'readmit' };

/** How many nodes may be out at once. */
export interface EjectionBudgetOptions {
  /**
   * The share of the nodes, in percent, from 0 to 100. Default 10. Nodes that say themselves that they do not serve count,
   * too, but are never let in against their word. Envoy: `max_ejection_percent`.
   */
  readonly maxEjectionPercent?: number;
  /** So many in any case, as long as another node takes calls. Default 1, so that small fleets are not left to one bad node. */
  readonly minEjections?: number;
}

/** What the findings change. */
export interface EjectionPorts extends Omit<DetectorPorts, 'mayEject'> {
  readonly nodes: () => NodeSet;
  readonly events: EventSink<HealthEvent>;
  readonly eject: (id: string, ejection: Ejection) => void;
  readonly readmit: (id: string, by: string) => void;
}

/**
 * Runs detectors: carries out what they find. Emits nothing; unsubscribing ends them, and leaves who is out where it is.
 *
 * @throws FleetError `INVALID_OPTION` for a budget that is no percentage.
 */
export function ejections(
  detectors: readonly Detector[],
  budget: EjectionBudgetOptions,
  ports: EjectionPorts,
): Observable<never> {
  const mayEject = ejectionBudget(budget, ports.nodes);
  return merge(
    ...detectors.map((detector) =>
      detector.watch({ ...ports, mayEject }).pipe(
        tap((finding) => carryOut(finding, detector.name, ports)),
        ignoreElements(),
      ),
    ),
  );
}

/** The one budget: whether a node may be taken out as well as those that are. */
export function ejectionBudget(
  { maxEjectionPercent = 10, minEjections = 1 }: EjectionBudgetOptions,
  nodes: () => NodeSet,
): (id: string) => boolean {
  const share = maxEjectionPercent >= 0 && maxEjectionPercent <= 100;
  requireOption(share, 'ejectionBudget.maxEjectionPercent', 'from 0 to 100', maxEjectionPercent);
  const whole = Number.isInteger(minEjections) && minEjections >= 0;
  requireOption(whole, 'ejectionBudget.minEjections', 'a whole number', minEjections);
  return (id) => {
    const set = nodes();
    const allowed = Math.max(minEjections, Math.floor((set.size * maxEjectionPercent) / 100));
    let out = 0;
    let others = 0;
    for (const node of set.nodes) {
      if (node.id === id) continue;
      if (isOut(node)) out++;
      else if (isRoutable(node)) others++;
    }
    return others > 0 && out < allowed;
  };
}

function isOut({ health }: Node): boolean {
  return health === 'ejected' || health === 'notServing';
}

function carryOut(finding: Finding, by: string, { events, eject, readmit, nodes, scheduler }: EjectionPorts): void {
  const { id } = finding;
  if (finding.type === 'readmit') readmit(id, by);
  else if (finding.type === 'eject') {
    const { reason, until } = finding;
    eject(id, { by, obstacle: 'ejected', reason, until });
  }
  if (!events.observed) return;
  const node = nodes().get(id);
  if (!node) return;
  const at = scheduler.now();
  if (finding.type === 'readmit') events.next({ type: 'readmitted', at, node, by });
  else {
    const { reason } = finding;
    const until = finding.type === 'eject' ? finding.until : undefined;
    events.next({ type: 'ejected', at, node, by, reason, until, enforced: finding.type === 'eject' });
  }
}
