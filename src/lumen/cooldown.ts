/**
 * A rest for nodes that fail again and again although they are connected.
 *
 * Numbers and rules are those of Lumen's Go client: three hard failures put a node out for 10 s, doubling to 2 minutes
 * while it goes on failing; any success and any new connection forgives all. Only `UNAVAILABLE` and failures of the
 * network are hard: a node is not to blame for a request that it refuses, nor for a caller who gives up.
 */

import { asyncScheduler, Observable, timer, type OperatorFunction, type SchedulerLike, type Subscription } from 'rxjs';
import type { Outcome } from '../core/nodeStats.js';
import { requireOption } from '../core/requireOption.js';

export interface CooldownOptions {
  /** Hard failures in a row until a node rests. Default 3. */
  readonly failures?: number;
  /** The first rest, in milliseconds. Default 10,000. */
  readonly minMs?: number;
  /** The longest rest, in milliseconds. Default 120,000. */
  readonly maxMs?: number;
  /**
   * May this node rest? Default: always. The client says no for the last node, since a bad node is better than none;
   * its failures go on counting.
   */
  readonly maySpare?: (id: string) => boolean;
  /** Default `asyncScheduler`. */
  readonly scheduler?: SchedulerLike;
}

/** Something that happened to a node. `connected`: anew. `gone`: no longer listed. */
export interface NodeIncident {
  readonly id: string;
  readonly type: 'hardFailure' | 'success' | 'connected' | 'gone';
}

/** A node begins or ends to rest. */
export interface Rest {
  readonly id: string;
  /** Milliseconds that it will rest; undefined when it is over. */
  readonly restMs: number | undefined;
}

/** What an attempt says of its node; undefined when nothing. */
export function incidentOf(id: string, { status, code, blame }: Outcome): NodeIncident | undefined {
  if (status === 'ok') return { id, type: 'success' };
  if (status === 'failed' && (code === 'UNAVAILABLE' || blame === 'network')) return { id, type: 'hardFailure' };
  return undefined;
}

/**
 * From incidents to rests, each node on its own.
 *
 *     incidents   f-f-f--------------f----     f: a hard failure
 *     rests       ----r---------e----R----     r: rests, e: may be tried again, R: rests twice as long
 *
 * After a rest one more hard failure is enough for the next.
 *
 * @throws FleetError `INVALID_OPTION`
 */
export function cooldown(options: CooldownOptions = {}): OperatorFunction<NodeIncident, Rest> {
  const { failures = 3, minMs = 10_000, maxMs = 120_000, maySpare = () => true, scheduler = asyncScheduler } = options;
  requireOption(Number.isInteger(failures) && failures >= 1, 'cooldown.failures', 'a whole number from 1', failures);
  requireOption(minMs > 0, 'cooldown.minMs', 'more than 0', minMs);
  requireOption(maxMs >= minMs, 'cooldown.maxMs', 'at least minMs', maxMs);

  return (incident$) =>
    new Observable((subscriber) => {
      const records = new Map<string, Record>();
      const forgive = (id: string, tell: boolean) => {
        const record = records.get(id);
        if (!record) return;
        records.delete(id);
        record.resting?.unsubscribe();
        if (record.resting && tell) subscriber.next({ id, restMs: undefined });
      };
      const failed = (id: string) => {
        const record = records.get(id) ?? { failures: 0, rests: 0, resting: undefined };
        records.set(id, record);
        record.failures++;
        if (record.resting || record.failures < failures || !maySpare(id)) return;
        const restMs = Math.min(minMs * 2 ** record.rests++, maxMs);
        record.resting = timer(restMs, scheduler).subscribe(() => {
          record.resting = undefined;
          record.failures = failures - 1;
          subscriber.next({ id, restMs: undefined });
        });
        subscriber.next({ id, restMs });
      };
      subscriber.add(() => {
        for (const { resting } of records.values()) resting?.unsubscribe();
      });
      subscriber.add(
        incident$.subscribe({
          next: ({ id, type }) => {
            if (type === 'hardFailure') failed(id);
            else forgive(id, type !== 'gone');
          },
          error: (error: unknown) => subscriber.error(error),
          complete: () => subscriber.complete(),
        }),
      );
    });
}

interface Record {
  failures: number;
  rests: number;
  resting: Subscription | undefined;
}
