/** Runs detectors: carries out what they find, within one budget, and tells it. */

import {
  catchError,
  concat,
  defer,
  EMPTY,
  endWith,
  ignoreElements,
  merge,
  of,
  takeUntil,
  tap,
  type Observable,
} from 'rxjs';
import { numbered } from '../core/numbered.js';
import type { EventSink } from '../core/eventSink.js';
import { FleetError } from '../core/fleetError.js';
import type { Ejection } from '../core/node.js';
import type { NodeSet } from '../core/nodeSet.js';
import type { Detector, DetectorPorts, Finding } from './detector.js';
import { EjectionBudget, type EjectionBudgetOptions } from './ejectionBudget.js';
import type { HealthEvent } from './healthEvent.js';

/** What the findings change. */
export interface EjectionPorts extends Omit<DetectorPorts, 'by' | 'mayEject'> {
  readonly nodes: () => NodeSet;
  readonly events: EventSink<HealthEvent>;
  readonly eject: (id: string, ejection: Ejection) => void;
  readonly readmit: (id: string, by: string) => void;
}

/** The detectors of one client. */
export interface Ejections {
  /** Runs them while subscribed, until the nodes end. Emits nothing; unsubscribing leaves who is out where it is. */
  readonly run$: Observable<never>;
  /** What each stands at. */
  readonly running: readonly DetectorAtWork[];
}

export interface DetectorAtWork {
  readonly name: string;
  report(): DetectorReport;
}

export interface DetectorReport {
  /** Nodes that it holds out now. */
  readonly out: number;
  /** Why it can judge nobody as things are; undefined when it can. */
  readonly inert: string | undefined;
}

/** @throws FleetError `INVALID_OPTION` for a budget that is no percentage. */
export function ejections(
  detectors: readonly Detector[],
  options: EjectionBudgetOptions,
  ports: EjectionPorts,
): Ejections {
  const { events, nodes, nodes$, scheduler } = ports;
  const names = numbered(detectors.map(({ name }) => name));
  const budget = new EjectionBudget(options, names, nodes);
  const mayEject = (id: string) => budget.mayEject(id);
  const inert = new Map<string, string>();
  const told = new Set<string>();

  const carryOut = (finding: Finding, by: string): void => {
    if (finding.type === 'inert') return idle(by, finding.reason);
    if (finding.type === 'readmit') return letIn(finding.id, by, finding.reason);
    const { id, method, reason } = finding;
    const enforced = finding.type === 'eject';
    const until = enforced ? finding.until : undefined;
    if (enforced) {
      budget.grant(id);
      ports.eject(id, { by, obstacle: 'ejected', reason, until });
    }
    const node = events.observed ? nodes().get(id) : undefined;
    if (!node) return;
    const unenforcedReason = enforced ? undefined : finding.unenforcedReason;
    const at = scheduler.now();
    events.next({ type: 'ejected', at, node, by, method, reason, until, enforced, unenforcedReason });
  };
  const letIn = (id: string, by: string, reason: string): void => {
    ports.readmit(id, by);
    const node = events.observed ? nodes().get(id) : undefined;
    if (node) events.next({ type: 'readmitted', at: scheduler.now(), node, by, reason });
  };
  /** Told once: a fleet that is too small stays so. Whoever begins to listen later is told then. */
  const idle = (by: string, reason: string | undefined): void => {
    if (reason === undefined) {
      inert.delete(by);
      return;
    }
    inert.set(by, reason);
    if (!events.observed || told.has(by)) return;
    told.add(by);
    events.next({ type: 'detectorInert', at: scheduler.now(), by, reason });
  };
  const heldBy = (by: string) => nodes().nodes.filter((node) => node.ejections.some((one) => one.by === by));

  const run = (detector: Detector, by: string): Observable<never> => {
    const ended = defer(() => {
      for (const { id } of heldBy(by)) letIn(id, by, `${by} has ended`);
      return EMPTY;
    });
    const found$ = defer(() => detector.watch({ ...ports, by, mayEject })).pipe(
      tap((finding) => carryOut(finding, by)),
      ignoreElements(),
      catchError((error: unknown) => {
        idle(by, `it broke: ${FleetError.from(error).message}`);
        return EMPTY;
      }),
    );
    return concat(found$, ended);
  };
  const relieve = (set: NodeSet): void => {
    for (const node of budget.excess(set)) {
      for (const { by } of node.ejections) letIn(node.id, by, 'too few other nodes are left');
    }
  };

  const over$ = nodes$.pipe(
    ignoreElements(),
    endWith(true),
    catchError(() => of(true)),
  );
  const all = detectors.map((detector, i) => run(detector, names[i]!));

  return {
    run$: all.length ? merge(...all, nodes$.pipe(tap(relieve), ignoreElements())).pipe(takeUntil(over$)) : EMPTY,
    running: names.map((name) => ({
      name,
      report: () => ({ out: heldBy(name).length, inert: inert.get(name) }),
    })),
  };
}
