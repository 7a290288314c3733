/**
 * The capability handshake: asks every node that has just been connected what it can do, and keeps asking.
 *
 * A node is routable only once it has answered. A hub that is still loading its models answers `UNAVAILABLE` for
 * minutes, so asking goes on as long as the connection stands. An answer belongs to the connection that it came over:
 * when the node reconnects or moves, what was asked before is cancelled and can no longer count.
 */

import {
  asyncScheduler,
  from,
  Observable,
  type ObservableInput,
  type OperatorFunction,
  type SchedulerLike,
} from 'rxjs';
import { defer, map, of, timeout, timer, Subscription } from 'rxjs';
import { formatAddress } from '../core/address.js';
import { exponentialBackoff } from '../core/backoff.js';
import type { Capability } from '../core/capability.js';
import { FleetError } from '../core/fleetError.js';
import type { Node, NodeState } from '../core/node.js';
import { NodeSet } from '../core/nodeSet.js';
import { requireOption } from '../core/requireOption.js';
import { judgeCompatibility, type CompatibilityOptions } from './judgeCompatibility.js';

/** What was found out of a node, to be joined to its state. */
export interface NodeAnnotation {
  readonly id: string;
  readonly state: Partial<NodeState>;
}

export interface HandshakeOptions extends CompatibilityOptions {
  /** Milliseconds until one asking counts as failed. Default 10,000. */
  readonly capabilityTimeoutMs?: number;
  /**
   * Milliseconds between askings of a node that has answered, spread by ± 20 %, so that a change of its models is seen.
   * Default 60,000; `Infinity` asks once a connection, as the Go client does.
   */
  readonly capabilityRefreshMs?: number;
  /** Ids of nodes to ask again at once, such as one that denies a task that it offered. */
  readonly again$?: Observable<string>;
  /** Default `asyncScheduler`. */
  readonly scheduler?: SchedulerLike;
  /** Default `Math.random`. */
  readonly random?: () => number;
}

/** 1, 2, 4, 8, 8, … s: the waits of the Go client. */
const backoff = exponentialBackoff({ initialBackoffMs: 1_000, maxBackoffMs: 8_000, jitter: 0 });
const refreshJitter = 0.2;

/**
 * From node sets to annotations: `pending` as soon as a node is connected, then what its capabilities make of it.
 *
 *     nodes$     -r-----------     r: the node is ready
 *     fetch       --c|             c: its capabilities
 *     annotate   -p-k---------     p: pending, k: compatible, with its models
 *
 * Never errors for a node's sake: a node that fails to answer stays pending, with the reason, and is asked again
 * after 1, 2, 4, 8, 8, … s. A node that knows none of the methods is incompatible until it reconnects.
 *
 * @param fetch Asks one node once; cancelled by unsubscribing.
 */
export function handshake(
  fetch: (node: Node) => ObservableInput<readonly Capability[]>,
  options: HandshakeOptions = {},
): OperatorFunction<NodeSet, NodeAnnotation> {
  const { capabilityTimeoutMs = 10_000, capabilityRefreshMs = 60_000 } = options;
  const { again$, scheduler = asyncScheduler, random = Math.random } = options;
  requireOption(capabilityTimeoutMs > 0, 'capabilityTimeoutMs', 'more than 0', capabilityTimeoutMs);
  requireOption(capabilityRefreshMs > 0, 'capabilityRefreshMs', 'more than 0', capabilityRefreshMs);

  const askOnce = (node: Node) =>
    defer(() => from(fetch(node))).pipe(
      timeout({
        first: capabilityTimeoutMs,
        scheduler,
        with: () => {
          throw new FleetError('DEADLINE_EXCEEDED', `no capabilities within ${capabilityTimeoutMs} ms`, {
            node: node.id,
          });
        },
      }),
      map((capabilities) => {
        if (capabilities.length > 0) return capabilities;
        throw new FleetError('UNAVAILABLE', 'it names no capability yet', { node: node.id });
      }),
    );

  return (set$) =>
    new Observable((subscriber) => {
      const connections = new Map<string, Connection>();
      let before = NodeSet.empty;

      const follow = (node: Node) => {
        const address = node.availability === 'ready' ? formatAddress(node.address) : undefined;
        const known = connections.get(node.id);
        if (known ? known.address === address : address === undefined) return;
        known?.close();
        connections.delete(node.id);
        if (address === undefined) return;
        const connection = createConnection(node, address);
        connections.set(node.id, connection);
        connection.ask();
      };

      const createConnection = (node: Node, address: string): Connection => {
        const life = new Subscription();
        let asking = new Subscription();
        let failures = 0;
        let known: string | undefined;

        const annotate = (state: Partial<NodeState>) => subscriber.next({ id: node.id, state });
        const later = (ms: number) => {
          if (ms !== Infinity) renew(() => timer(ms, scheduler).subscribe(ask));
        };
        const renew = (start: () => Subscription) => {
          life.remove(asking);
          asking.unsubscribe();
          if (life.closed) return;
          asking = new Subscription();
          life.add(asking);
          asking.add(start());
        };
        const ask = () =>
          renew(() => {
            let answer: readonly Capability[] | undefined;
            return askOnce(node).subscribe({
              next: (capabilities) => (answer = capabilities),
              error: failed,
              complete: () => (answer ? answered(answer) : failed(new FleetError('BAD_RESPONSE', 'it did not answer'))),
            });
          });
        const answered = (capabilities: readonly Capability[]) => {
          failures = 0;
          const text = JSON.stringify(capabilities);
          if (text !== known) {
            known = text;
            const models = [...new Set(capabilities.flatMap((capability) => capability.models))];
            annotate({ ...judgeCompatibility(capabilities, options), capabilities, models });
          }
          later(capabilityRefreshMs * (1 - refreshJitter + 2 * refreshJitter * random()));
        };
        const failed = (thrown: unknown) => {
          const error = FleetError.from(thrown);
          if (error.code === 'UNIMPLEMENTED' && known === undefined) {
            annotate({
              compatibility: 'incompatible',
              compatibilityReason: 'it serves no Lumen capabilities',
              capabilities: [],
              models: [],
            });
            return;
          }
          const waitMs = backoff(++failures, random);
          // A node that has answered once keeps its word until it says otherwise.
          if (known === undefined) annotate({ compatibilityReason: `no capabilities yet: ${error.detail}` });
          later(waitMs);
        };

        annotate({ compatibility: 'pending', compatibilityReason: 'asked for its capabilities' });
        return { address, ask, close: () => life.unsubscribe() };
      };

      subscriber.add(() => {
        for (const connection of connections.values()) connection.close();
      });
      subscriber.add((again$ ?? of()).subscribe({ next: (id) => connections.get(id)?.ask(), error: () => {} }));
      subscriber.add(
        set$.subscribe({
          next: (set) => {
            const { added, updated, removed } = set.changesSince(before);
            before = set;
            for (const { id } of removed) {
              connections.get(id)?.close();
              connections.delete(id);
            }
            for (const node of added) follow(node);
            for (const node of updated) follow(node);
          },
          error: (error: unknown) => subscriber.error(error),
          complete: () => subscriber.complete(),
        }),
      );
    });
}

/** One generation: everything asked over one connection to one address. */
interface Connection {
  readonly address: string;
  ask(): void;
  close(): void;
}
