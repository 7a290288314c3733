/** Real time in a hurry: what would take a second takes a fraction of it. For waits that no test should sit through. */

import { asyncScheduler, type SchedulerLike } from 'rxjs';

/** Waits are cut to `1 / factor`; what is asked of the clock is true to that. */
export function hurried(factor: number): SchedulerLike {
  const begun = asyncScheduler.now();
  return {
    now: () => begun + (asyncScheduler.now() - begun) * factor,
    schedule: (work, delay = 0, state) => asyncScheduler.schedule(work as never, delay / factor, state),
  };
}
