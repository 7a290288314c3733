/**
 * One timer for all deadlines.
 *
 * A timer for each call would be armed and cancelled thousands of times a second and almost never fire. Here a call
 * that ends in time costs one insertion and one removal in a bucket of its millisecond; a single action of the
 * scheduler is armed for the earliest bucket.
 */

import type { SchedulerLike, Subscription } from 'rxjs';

/** Something that is told when its time is over. */
export interface Expiring {
  expire(): void;
}

export interface DeadlineWheel {
  /** Calls `entry.expire()` once, when the clock reaches `at` (in milliseconds). */
  add(at: number, entry: Expiring): void;
  /** Forgets an entry; `at` must be what it was added with. */
  delete(at: number, entry: Expiring): void;
}

/** The longest that a timer of Node waits; one that is set for longer fires at once. */
const longestMs = 2 ** 31 - 1;

/**
 * A wheel with buckets of a millisecond. Holds no timer while it is empty.
 *
 * @param now the clock of the deadlines. Default: that of the scheduler. With a stopwatch a deadline comes after the time
 *   that it was set for, whatever happens to the time of day.
 */
export function deadlineWheel(scheduler: SchedulerLike, now = () => scheduler.now()): DeadlineWheel {
  const buckets = new Map<number, Set<Expiring>>();
  let entries = 0;
  let armedAt = Infinity;
  let timer: Subscription | undefined;
  /** What is being told now: an entry may be forgotten by one that is told before it. */
  let due = new Map<number, Set<Expiring>>();

  const arm = (at: number) => {
    timer?.unsubscribe();
    armedAt = at;
    timer = scheduler.schedule(fire, Math.min(Math.max(0, at - now()), longestMs));
  };
  const disarm = () => {
    timer?.unsubscribe();
    timer = undefined;
    armedAt = Infinity;
  };
  const fire = () => {
    disarm();
    const time = now();
    let next = Infinity;
    due = new Map();
    for (const [at, bucket] of buckets) {
      if (at <= time) {
        buckets.delete(at);
        entries -= bucket.size;
        due.set(at, bucket);
      } else if (bucket.size === 0) {
        buckets.delete(at);
      } else if (at < next) {
        next = at;
      }
    }
    if (next < armedAt) arm(next);
    for (const bucket of due.values()) for (const entry of bucket) entry.expire();
  };

  return {
    add(at, entry) {
      const key = Math.ceil(at);
      const bucket = buckets.get(key);
      if (bucket) bucket.add(entry);
      else buckets.set(key, new Set([entry]));
      entries++;
      if (key < armedAt) arm(key);
    },
    delete(at, entry) {
      const key = Math.ceil(at);
      if (!buckets.get(key)?.delete(entry)) return void due.get(key)?.delete(entry);
      // An emptied bucket stays for its neighbours of the same millisecond; with the last entry all go.
      if (--entries === 0) {
        buckets.clear();
        disarm();
      }
    },
  };
}
