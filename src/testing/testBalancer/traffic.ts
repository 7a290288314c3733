/** Calls that take time, on virtual time. */

import { ok } from 'node:assert/strict';
import { BehaviorSubject, VirtualAction, VirtualTimeScheduler, type SchedulerLike } from 'rxjs';
import type { Balancer, Picker } from '../../balancer/picker.js';
import type { Node } from '../../core/node.js';
import { NodeSet } from '../../core/nodeSet.js';
import { keyed } from './nodes.js';

/** How a node answers one call. */
export interface Answer {
  readonly latencyMs: number;
  /** By the fault of the node. */
  readonly fails?: boolean;
}

export interface TrafficOptions {
  readonly nodes: readonly Node[];
  /** Asked for each call, when it begins. */
  readonly answer: (node: Node, at: number) => Answer;
  /** How many call at once; each calls again as soon as it was answered. */
  readonly callers: number;
  /** It is over with so many calls: a black hole makes them without end. */
  readonly most: number;
  /** Or then, if that is earlier. */
  readonly untilMs?: number;
}

/** A call that was made, in milliseconds since the start. */
export interface Made {
  readonly node: string;
  readonly at: number;
}

/** The calls that so many callers make. The balancer lives in the same time. */
export function traffic(
  make: (scheduler: SchedulerLike) => Balancer,
  { nodes, answer, callers, most, untilMs = Infinity }: TrafficOptions,
): readonly Made[] {
  const scheduler = new VirtualTimeScheduler(VirtualAction, untilMs);
  const made: Made[] = [];
  let picker: Picker | undefined;
  const subscription = new BehaviorSubject(NodeSet.of(nodes))
    .pipe(make(scheduler))
    .subscribe((next) => (picker = next));
  ok(picker, 'a set must yield a picker at once');
  const call = () => {
    if (made.length >= most) return;
    const pick = picker!.pick(keyed(made.length));
    ok(pick.node, 'a node must be picked');
    made.push({ node: pick.node.id, at: scheduler.now() });
    const { latencyMs, fails = false } = answer(pick.node, scheduler.now());
    scheduler.schedule(() => {
      const at = scheduler.now();
      if (fails) pick.end({ status: 'failed', latencyMs, code: 'UNAVAILABLE', blame: 'node', at });
      else pick.end({ status: 'ok', latencyMs, at });
      call();
    }, latencyMs);
  };
  for (let i = 0; i < callers; i++) scheduler.schedule(call);
  scheduler.flush();
  subscription.unsubscribe();
  return made;
}

/** How many of the calls each node got, those that got none too. */
export function countsOf(made: readonly Made[], nodes: readonly Node[]): Map<string, number> {
  const counts = new Map(nodes.map(({ id }) => [id, 0]));
  for (const { node } of made) counts.set(node, counts.get(node)! + 1);
  return counts;
}
