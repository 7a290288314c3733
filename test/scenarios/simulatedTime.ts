/**
 * Time for simulations of whole fleets: a scheduler of rxjs whose clock stands still while anything runs. Unlike rxjs' own
 * virtual time it keeps its actions in a heap, so that a minute of a fleet of 500 nodes takes seconds.
 */

import { Subscription, type SchedulerAction, type SchedulerLike } from 'rxjs';

export class SimulatedTime implements SchedulerLike {
  #now = 0;
  #order = 0;
  readonly #heap: Action<unknown>[] = [];

  now(): number {
    return this.#now;
  }

  schedule<T>(work: (this: SchedulerAction<T>, state?: T) => void, delay = 0, state?: T): Subscription {
    return new Action(this, work as (this: SchedulerAction<unknown>, state?: unknown) => void).schedule(state, delay);
  }

  /** Runs everything that is due until then; what is due later stays. */
  runUntil(end: number): void {
    for (;;) {
      const next = this.#heap[0];
      if (!next || next.due > end) break;
      this.#pop();
      if (next.closed) continue;
      this.#now = Math.max(this.#now, next.due);
      next.run();
    }
    this.#now = Math.max(this.#now, end);
  }

  enter(action: Action<unknown>, delay: number): void {
    action.due = this.#now + Math.max(0, delay);
    action.order = this.#order++;
    const heap = this.#heap;
    let place = heap.length;
    heap.push(action);
    while (place > 0) {
      const parent = (place - 1) >> 1;
      if (!before(action, heap[parent]!)) break;
      heap[place] = heap[parent]!;
      place = parent;
    }
    heap[place] = action;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let place = 0;
    for (let child = 1; child < heap.length; child = place * 2 + 1) {
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++;
      if (!before(heap[child]!, last)) break;
      heap[place] = heap[child]!;
      place = child;
    }
    heap[place] = last;
  }
}

function before(a: Action<unknown>, b: Action<unknown>): boolean {
  return a.due < b.due || (a.due === b.due && a.order < b.order);
}

/** One piece of work, which may schedule itself again, as rxjs' timers do. */
class Action<T> extends Subscription implements SchedulerAction<T> {
  due = 0;
  order = 0;
  #state: T | undefined;
  #pending = false;

  constructor(
    private readonly time: SimulatedTime,
    private readonly work: (this: SchedulerAction<T>, state?: T) => void,
  ) {
    super();
  }

  schedule(state?: T, delay = 0): Subscription {
    if (this.closed) return this;
    this.#state = state;
    this.#pending = true;
    this.time.enter(this as Action<unknown>, delay);
    return this;
  }

  run(): void {
    this.#pending = false;
    this.work(this.#state);
    if (!this.#pending) this.unsubscribe();
  }
}
