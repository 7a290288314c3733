/**
 * A node that comes gets its share little by little.
 *
 * A process that has just started is slow: nothing is compiled, cached or connected yet. With a full share at once its calls
 * time out, and it is taken out before it was ever warm. So its weight grows over a window. It needs a balancer that heeds
 * weights and enough calls for a tenth of a share to be some; it does little for a client with a call a second.
 *
 * Rules of Envoy's slow start (https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/load_balancing/slow_start);
 * when it begins anew is that of gRFC A100, each time that a node begins to take calls, but for two cases that would throw a warm
 * node back: a connection that is renewed, as servers with a `MAX_CONNECTION_AGE` ask for, and nodes that panic had let in already.
 */

import { Observable, type MonoTypeOperatorFunction, type SchedulerLike, type Subscription } from 'rxjs';
import { isRoutable } from '../core/isRoutable.js';
import { updateNode, type Node } from '../core/node.js';
import { NodeSet } from '../core/nodeSet.js';
import { requireDuration } from '../core/requireDuration.js';
import { requireOption } from '../core/requireOption.js';
import { stopwatchOf } from '../core/stopwatch.js';
import { NodeView } from '../nodes/nodeView.js';

export interface SlowStartOptions {
  /** How long it takes until a node has its whole weight, in milliseconds. Envoy: `slow_start_window`. */
  readonly windowMs: number;
  /** 1: the weight grows evenly; more: faster at first. Default 1. */
  readonly aggression?: number;
  /** What it begins with, as a part of its weight, above 0 and at most 1. Default 0.1. Envoy: `min_weight_percent`. */
  readonly minWeight?: number;
}

export interface SlowStartPorts {
  readonly scheduler: SchedulerLike;
  /** True for a node that takes calls only because its health is ignored. Default: none does. */
  readonly isLetIn?: (node: Node) => boolean;
}

/** Steps of a window in which weights grow. */
const steps = 20;
/** A node that takes calls again within this time was not started anew. */
const blinkMs = 1_000;

/**
 * Scales the weight of each node that has begun to take calls, from the moment on at which it did, also when it comes back:
 *
 *     weight × max(minWeight, (age / windowMs) ^ (1 / aggression))
 *
 * in twenty steps. When all nodes are new at once all weights are scaled alike, and nothing changes.
 *
 *     nodes$      a-----b---------     a = x   b = x y
 *     weight y    ------1-2-3--8-9     tenths
 *
 * @throws FleetError `INVALID_OPTION` for a window, an aggression or a weight that makes no sense.
 */
export function slowStart(
  options: SlowStartOptions,
  { scheduler, isLetIn = () => false }: SlowStartPorts,
): MonoTypeOperatorFunction<NodeSet> {
  const { windowMs, aggression = 1, minWeight = 0.1 } = options;
  requireDuration('slowStart.windowMs', windowMs);
  requireOption(aggression > 0 && aggression < Infinity, 'slowStart.aggression', 'above 0', aggression);
  requireOption(minWeight > 0 && minWeight <= 1, 'slowStart.minWeight', 'above 0, at most 1', minWeight);
  const part = (age: number) => Math.max(minWeight, Math.min(1, age / windowMs) ** (1 / aggression));

  return (set$) =>
    new Observable((subscriber) => {
      const clock = stopwatchOf(scheduler);
      let current = NodeSet.empty;
      let timer: Subscription | undefined;
      /** Since when those that warm up take calls. */
      const begun = new Map<string, number>();
      /** Those that take calls; and those that did a moment ago, with how warm they were. */
      const serving = new Set<string>();
      const left = new Map<string, { readonly at: number; readonly begunAt: number | undefined }>();
      const view = new NodeView((node) => {
        const at = begun.get(node.id);
        return at === undefined ? node : updateNode(node, { weight: node.weight * part(clock() - at) });
      });
      let next: NodeSet | undefined;
      let emitting = false;

      /** Whoever is told of a set may cause the next: all see them in order. */
      const emit = (set: NodeSet) => {
        next = set;
        if (emitting) return;
        emitting = true;
        while (next && !subscriber.closed) {
          const set: NodeSet = next;
          next = undefined;
          subscriber.next(set);
        }
        emitting = false;
      };
      const arm = () => {
        if (begun.size > 0) timer ??= scheduler.schedule(tick, windowMs / steps);
        else {
          timer?.unsubscribe();
          timer = undefined;
        }
      };
      const tick = () => {
        timer = undefined;
        const now = clock();
        const warming = [...begun.keys()];
        for (const id of warming) if (now - begun.get(id)! >= windowMs) begun.delete(id);
        arm();
        const before = view.shown;
        if (view.renew(warming) !== before) emit(view.shown);
      };
      const look = (node: Node) => {
        const { id } = node;
        if (!isRoutable(node)) {
          if (serving.delete(id)) left.set(id, { at: clock(), begunAt: begun.get(id) });
          begun.delete(id);
        } else if (!serving.has(id)) {
          serving.add(id);
          const before = left.get(id);
          left.delete(id);
          const blinked = before !== undefined && clock() - before.at < blinkMs;
          const at = blinked ? before.begunAt : isLetIn(node) ? undefined : clock();
          if (at !== undefined && clock() - at < windowMs) begun.set(id, at);
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
              left.delete(id);
            }
            for (const node of added) look(node);
            for (const node of updated) look(node);
            arm();
            emit(view.follow(set));
          },
          error: (error: unknown) => subscriber.error(error),
          complete: () => subscriber.complete(),
        }),
      );
    });
}
