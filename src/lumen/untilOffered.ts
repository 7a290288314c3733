/** Waits for a node that is known to offer a task but is down right now, and fails at once where none ever will. */

import { catchError, defer, filter, mergeMap, take, tap, throwError, throwIfEmpty, timeout } from 'rxjs';
import type { BehaviorSubject, Observable, SchedulerLike } from 'rxjs';
import type { Requirement } from '../balancer/picker.js';
import { isRoutable, whyNotRoutable } from '../core/isRoutable.js';
import { FleetError, type Attempt } from '../core/fleetError.js';
import type { Node } from '../core/node.js';
import type { NodeSet } from '../core/nodeSet.js';
import { offeredTasks } from './taskRequirement.js';

export interface OfferPorts {
  readonly nodes$: BehaviorSubject<NodeSet>;
  readonly scheduler: SchedulerLike;
}

/** What a call may still spend. */
export interface Allowance {
  readonly deadlineMs: number;
  /** Attempts on nodes, the first included. */
  readonly maxAttempts: number;
}

/**
 * Runs a call; when it finds no node (`NO_NODES`, `NO_NODE_FOR_TASK`), or its node died and nobody else is there
 * (`UNAVAILABLE`), waits until a node that meets `requires` takes calls again and runs it anew: as long as one is known
 * that is only down, within the deadline, and only while nothing was emitted.
 *
 *     nodes$   -d-----r---      d: its only node is down, r: it is routable again
 *     call     -#     -a|
 *     waits    --------a|
 *
 * Where no known node offers it, the error comes at once and names the tasks that there are. When all attempts are
 * spent the error is that of the last one: a request that its node dies of must not kill it again and again.
 *
 * @param call Runs it with what is left.
 */
export function untilOffered<R>(
  { nodes$, scheduler }: OfferPorts,
  requires: Requirement,
  { deadlineMs, maxAttempts }: Allowance,
  call: (left: Allowance) => Observable<R>,
): Observable<R> {
  return defer(() => {
    const startedAt = scheduler.now();
    const leftMs = () => deadlineMs - (scheduler.now() - startedAt);
    let attempts: readonly Attempt[] = [];

    const run = (ms: number): Observable<R> => {
      let spoken = false;
      return call({ deadlineMs: ms, maxAttempts: maxAttempts - attempts.length }).pipe(
        tap(() => (spoken = true)),
        catchError((thrown: unknown) => {
          const error = withEarlier(FleetError.from(thrown), attempts);
          const { nodes } = nodes$.value;
          const nobody = error.code === 'NO_NODES' || error.code === 'NO_NODE_FOR_TASK';
          const died = error.code === 'UNAVAILABLE' && !nodes.some((node) => isRoutable(node) && requires.test(node));
          if (spoken || !(nobody || died)) return throwError(() => error);
          if (error.attempts.length >= maxAttempts) return throwError(() => (nobody ? lastOf(error) : error));
          if (!nodes.some((node) => comesBack(node, requires))) {
            return throwError(() => naming(error, requires, nodes$.value));
          }
          attempts = error.attempts;
          return leftMs() > 0 ? waited(error) : throwError(() => tooLate(error));
        }),
      );
    };
    const waited = (error: FleetError): Observable<R> => {
      const again$ = nodes$.pipe(
        filter(({ nodes }) => {
          const met = nodes.filter((node) => comesBack(node, requires));
          return met.length === 0 || met.some(isRoutable);
        }),
        take(1),
        throwIfEmpty(() => new FleetError('CLOSED', 'the client was closed', { attempts })),
      );
      const ms = leftMs();
      const inTime$ =
        ms === Infinity
          ? again$
          : again$.pipe(timeout({ first: ms, scheduler, with: () => throwError(() => tooLate(error)) }));
      return inTime$.pipe(mergeMap(() => (leftMs() > 0 ? run(leftMs()) : throwError(() => tooLate(error)))));
    };
    const tooLate = ({ sent }: FleetError) => {
      const known = nodes$.value.nodes.filter((node) => comesBack(node, requires));
      const why = known.map((node) => `${node.id}: ${whyNotRoutable(node) ?? 'ready'}`).join('; ');
      const text = `no node that offers ${requires.name} took calls within ${Math.round(deadlineMs)} ms (${why})`;
      return new FleetError('DEADLINE_EXCEEDED', text, { attempts, sent });
    };
    return run(deadlineMs);
  });
}

/** It offered this when it was last asked, and nothing says that it will not again. */
function comesBack(node: Node, requires: Requirement): boolean {
  return node.compatibility !== 'incompatible' && node.weight > 0 && requires.test(node);
}

function naming(error: FleetError, requires: Requirement, { nodes }: NodeSet): FleetError {
  if (error.code !== 'NO_NODE_FOR_TASK') return error;
  const tasks = offeredTasks(nodes.filter(isRoutable));
  const offered = tasks.length ? `the nodes offer ${tasks.join(', ')}` : 'the nodes offer no task at all';
  const { attempts, cause } = error;
  return new FleetError('NO_NODE_FOR_TASK', `no node offers ${requires.name}: ${offered}`, {
    attempts,
    cause,
    sent: false,
  });
}

function lastOf({ attempts, sent }: FleetError): FleetError {
  const last = attempts.at(-1)!;
  return new FleetError(last.code === 'OK' ? 'UNKNOWN' : last.code, last.message, { node: last.node, attempts, sent });
}

function withEarlier(error: FleetError, earlier: readonly Attempt[]): FleetError {
  return earlier.length ? error.with({ attempts: [...earlier, ...error.attempts] }) : error;
}
