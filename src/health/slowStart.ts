/**
 * A node that comes gets its share little by little.
 *
 * A process that has just started is slow: nothing is compiled, cached or connected yet. With a full share at once its calls
 * time out, and it is taken out before it was ever warm. So its weight grows over a window. It needs a balancer that heeds
 * weights and enough calls for a tenth of a share to be some; it does little for a client with a call a second.
 *
 * Rules of Envoy's slow start (https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/load_balancing/slow_start).
 */

import { Observable, type MonoTypeOperatorFunction, type SchedulerLike, type Subscription } from 'rxjs';
import { isRoutable } from '../core/isRoutable.js';
import { updateNode, type Node } from '../core/node.js';
import { NodeSet } from '../core/nodeSet.js';
import { requireOption } from '../core/requireOption.js';

export interface SlowStartOptions {
  /** How long it takes until a node has its whole weight, in milliseconds. Envoy: `slow_start_window`. */
  readonly windowMs: number;
  /** 1: the weight grows evenly; more: faster at first. Default 1. */
  readonly aggression?: number;
  /** What it begins with, as a part of its weight, above 0 and at most 1. Default 0.1. Envoy: `min_weight_percent`. */
  readonly minWeight?: number;
}

/** Steps of a window in which weights grow. */
const steps = 20;

/**
 * Scales the weight of each node that has begun to take calls, from the moment on at which it did, also when it comes back.
 * When all nodes are new at once all weights are scaled alike, and nothing changes.
 *
 *     nodes$      a-----b---------     a = x   b = x y
 *     weight y    ------1-2-3--8-9     tenths
 *
 * @throws FleetError `INVALID_OPTION` for a window or a weight that makes no sense.
 */
export function slowStart(
  options: SlowStartOptions,
  { scheduler }: { readonly scheduler: SchedulerLike },
): MonoTypeOperatorFunction<NodeSet> {
  const { windowMs, aggression = 1, minWeight = 0.1 } = options;
  requireOption(windowMs > 0 && Number.isFinite(windowMs), 'slowStart.windowMs', 'above 0', windowMs);
  requireOption(aggression > 0, 'slowStart.aggression', 'above 0', aggression);
  requireOption(minWeight > 0 && minWeight <= 1, 'slowStart.minWeight', 'above 0, at most 1', minWeight);
  const part = (age: number) => Math.max(minWeight, Math.min(1, age / windowMs) ** (1 / aggression));

  return (set$) =>
    new Observable((subscriber) => {
      let current = NodeSet.empty;
      let timer: Subscription | undefined;
      /** When each node that takes calls began to; those that are warm have no entry any more. */
      const begun = new Map<string, number>();
      const serving = new Set<string>();

      const emit = () => {
        const now = scheduler.now();
        const scaled: Node[] = [];
        for (const [id, at] of begun) {
          const node = current.get(id);
          if (now - at >= windowMs) begun.delete(id);
          else if (node) scaled.push(updateNode(node, { weight: node.weight * part(now - at) }));
        }
        if (begun.size > 0) timer ??= scheduler.schedule(tick, windowMs / steps);
        subscriber.next(current.with(...scaled));
      };
      const tick = () => {
        timer = undefined;
        emit();
      };
      const look = (node: Node) => {
        const { id } = node;
        if (!isRoutable(node)) {
          serving.delete(id);
          begun.delete(id);
        } else if (!serving.has(id)) {
          serving.add(id);
          begun.set(id, scheduler.now());
        }
      };

      subscriber.add(() => timer?.unsubscribe());
      subscriber.add(
        set$.subscribe({
          next: (set) => {
            const { added, updated, removed } = set.changesSince(current);
            current = set;
            for (const { id } of removed) {
              serving.delete(id);
              begun.delete(id);
            }
            for (const node of added) look(node);
            for (const node of updated) look(node);
            emit();
          },
          error: (error: unknown) => subscriber.error(error),
          complete: () => subscriber.complete(),
        }),
      );
    });
}
