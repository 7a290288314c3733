/** Work on each message of a call, so many at once, with the wire waiting for the work. */

import { from, Observable, type ObservableInput } from 'rxjs';
import { withDemand, type Demand } from '../core/demand.js';
import { linked } from '../core/linked.js';
import { requireOption } from '../core/requireOption.js';

export interface ConsumeOptions {
  /** How many projections may run at once. Default 1, which keeps the order. */
  readonly concurrency?: number;
}

/**
 * Projects each message and merges the results, like `mergeMap` with a concurrency, but reads from the wire only while
 * there is room: nothing piles up behind slow work.
 *
 *     call        -a-b(wire waits)c-|
 *     project      --1|--2|       --3|
 *     consume     ---1---2----------3|
 *
 * ```ts
 * consume(greeter.lotsOfReplies({ name: 'Ada' }), (reply) => store(reply), { concurrency: 4 }).subscribe();
 * ```
 *
 * @throws FleetError `INVALID_OPTION` for a `concurrency` under 1.
 */
export function consume<T, R>(
  source: Observable<T>,
  project: (value: T, index: number) => ObservableInput<R>,
  options: ConsumeOptions = {},
): Observable<R> {
  const { concurrency = 1 } = options;
  requireOption(concurrency >= 1, 'concurrency', 'at least 1', concurrency);

  return new Observable((subscriber) => {
    const queue: T[] = [];
    const waiting: (() => void)[] = [];
    let active = 0;
    let index = 0;
    let ended = false;

    const demand: Demand = {
      get ready() {
        return active + queue.length < concurrency;
      },
      whenReady: (callback) => void waiting.push(callback),
    };
    const work = (value: T) => {
      active++;
      let projected: Observable<R>;
      try {
        projected = from(project(value, index++));
      } catch (thrown) {
        subscriber.error(thrown);
        return;
      }
      linked(
        projected,
        {
          next: (result) => subscriber.next(result),
          error: (error: unknown) => subscriber.error(error),
          complete: () => {
            active--;
            if (queue.length) work(queue.shift()!);
            else if (ended && active === 0) subscriber.complete();
            if (demand.ready) for (const callback of waiting.splice(0)) callback();
          },
        },
        (running) => subscriber.add(running),
      );
    };

    withDemand(demand, () =>
      linked(
        source,
        {
          // What cannot be held back (a source that is no call) waits here.
          next: (value) => (active < concurrency ? work(value) : void queue.push(value)),
          error: (error: unknown) => subscriber.error(error),
          complete: () => {
            ended = true;
            if (active === 0) subscriber.complete();
          },
        },
        (running) => subscriber.add(running),
      ),
    );
  });
}
