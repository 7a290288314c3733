/** A balancer over a source that is in the hands of a case. */

import { ok } from 'node:assert/strict';
import { Subject } from 'rxjs';
import type { Balancer, NoPick, Pick, PickContext, Picker } from '../../balancer/picker.js';
import type { Node } from '../../core/node.js';
import { NodeSet } from '../../core/nodeSet.js';
import type { Outcome } from '../../core/nodeStats.js';
import { keyed } from './nodes.js';

export const done: Outcome = { status: 'ok', latencyMs: 1 };
export const failed: Outcome = { status: 'failed', latencyMs: 1, code: 'UNAVAILABLE', blame: 'network' };

export interface Bed {
  readonly source: Subject<NodeSet>;
  next(nodes: readonly Node[]): void;
  nodes(): readonly Node[];
  picker(): Picker;
  ask(context?: PickContext): Pick | NoPick;
  pick(context?: PickContext): Pick;
  /** The node of a pick, which ends at once unless told otherwise. */
  take(context?: PickContext, end?: boolean): Node;
  /** How often each id was picked, each call with a key of its own, numbered from `first` on. */
  count(picks: number, before?: () => void, first?: number): Map<string, number>;
  total(of: (stats: Node['stats']) => number, nodes?: readonly Node[]): number;
  inFlight(nodes?: readonly Node[]): number;
  error(): unknown;
  completed(): boolean;
}

export function bedOf(balancer: Balancer, first: readonly Node[]): Bed {
  const source = new Subject<NodeSet>();
  let picker: Picker | undefined;
  let error: unknown;
  let completed = false;
  source.pipe(balancer).subscribe({
    next: (next) => (picker = next),
    error: (thrown: unknown) => (error = thrown),
    complete: () => (completed = true),
  });
  const bed: Bed = {
    source,
    next: (given) => source.next(NodeSet.of(given)),
    nodes: () => bed.picker().set.nodes,
    picker() {
      ok(picker, 'a set must yield a picker at once');
      return picker;
    },
    ask: (context = {}) => bed.picker().pick(context),
    pick(context) {
      const pick = bed.ask(context);
      ok(pick.node, 'a node must be picked');
      return pick;
    },
    take(context, end = true) {
      const pick = bed.pick(context);
      if (end) pick.end(done);
      return pick.node;
    },
    count(picks, before, first = 0) {
      const counts = new Map<string, number>();
      for (let i = 0; i < picks; i++) {
        before?.();
        const { id } = bed.take(keyed(first + i));
        counts.set(id, (counts.get(id) ?? 0) + 1);
      }
      return counts;
    },
    total: (of, given = bed.nodes()) => given.reduce((sum, { stats }) => sum + of(stats), 0),
    inFlight: (given) => bed.total(({ inFlight }) => inFlight, given),
    error: () => error,
    completed: () => completed,
  };
  bed.next(first);
  return bed;
}
