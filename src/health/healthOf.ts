/** The health of a whole set of nodes, as it changes. */

import { Observable, type Subscription } from 'rxjs';
import type { Channel } from '../core/channel.js';
import { sameAddress, type Address } from '../core/address.js';
import { FleetError } from '../core/fleetError.js';
import type { Node } from '../core/node.js';
import { NodeSet } from '../core/nodeSet.js';
import type { HealthTarget, NodeHealth } from './healthCheck.js';

/** What became known of the health of one node. */
export interface HealthChange extends NodeHealth {
  readonly id: string;
}

interface Checked {
  readonly address: Address;
  told: boolean;
  subscription: Subscription | undefined;
}

/**
 * Checks each node that is `ready`, for as long as it is, and tells each change of its health.
 *
 *     nodes$      a-------b---c---       a = x ready   b = x unavailable   c = x ready
 *     checks      ^---s---!   ^---s      s = serving
 *     changes     ----s---u-------s      u = unknown
 *
 * A node that is no longer ready is not asked further and goes back to `unknown`: what it said is old by the time it
 * returns. One that moves to another address is asked anew. A check that errors leaves its node as `unknown`, with the
 * reason, until it becomes ready again. Unsubscribing, and the end of `nodes$`, end every check.
 *
 * @param target The node with its channel; undefined leaves it unchecked.
 * @param check Such as `activeHealth(grpcHealth())`.
 */
export function healthOf<C = Channel>(
  nodes$: Observable<NodeSet>,
  target: (node: Node) => HealthTarget<C> | undefined,
  check: (target: HealthTarget<C>) => Observable<NodeHealth>,
): Observable<HealthChange> {
  return new Observable((subscriber) => {
    const running = new Map<string, Checked>();
    let current = NodeSet.empty;
    let latest = NodeSet.empty;
    let following = false;

    const stop = (id: string, checked: Checked) => {
      running.delete(id);
      checked.subscription?.unsubscribe();
    };
    const start = (node: Node) => {
      const { id, address } = node;
      const checked: Checked = { address, told: false, subscription: undefined };
      const tell = (health: NodeHealth) => {
        if (running.get(id) !== checked) return;
        checked.told = true;
        subscriber.next({ id, ...health });
      };
      running.set(id, checked);
      try {
        const asked = target(node);
        checked.subscription =
          asked && check(asked).subscribe({ next: tell, error: (error: unknown) => tell(broken(error)) });
      } catch (error) {
        tell(broken(error));
      }
      // Whoever was told within the subscription above may have ended everything.
      if (running.get(id) !== checked) checked.subscription?.unsubscribe();
    };
    const look = (node: Node) => {
      const checked = running.get(node.id);
      const ready = node.availability === 'ready';
      if (checked && (!ready || !sameAddress(checked.address, node.address))) {
        stop(node.id, checked);
        if (checked.told) subscriber.next({ id: node.id, health: 'unknown', reason: undefined });
      }
      if (ready && !running.has(node.id) && !subscriber.closed) start(node);
    };
    // What is told here often makes the next set: it is taken up when this one is done.
    const follow = (set: NodeSet) => {
      latest = set;
      if (following) return;
      following = true;
      while (current !== latest && !subscriber.closed) {
        const { added, updated, removed } = latest.changesSince(current);
        current = latest;
        for (const { id } of removed) {
          const checked = running.get(id);
          if (checked) stop(id, checked);
        }
        for (const node of updated) look(node);
        for (const node of added) look(node);
      }
      following = false;
    };

    subscriber.add(() => {
      for (const [id, checked] of running) stop(id, checked);
    });
    subscriber.add(
      nodes$.subscribe({
        next: follow,
        error: (error: unknown) => subscriber.error(error),
        complete: () => subscriber.complete(),
      }),
    );
  });
}

function broken(error: unknown): NodeHealth {
  return { health: 'unknown', reason: `the health check broke: ${FleetError.from(error).message}` };
}
