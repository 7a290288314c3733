import { map } from 'rxjs';
import { retryBudget, type RetryBudgetOptions } from '../../src/core/retryBudget.js';
import { marble, type MarbleHelpers } from '../../src/testing/marble.js';

/** `c`: a call is made. `r`: a retry is asked for, and given (`y`) or not (`n`). */
const run = ({ hot, scheduler }: MarbleHelpers, diagram: string, options: RetryBudgetOptions) => {
  const budget = retryBudget({ scheduler, ...options });
  return hot(diagram).pipe(
    map((letter) => {
      if (letter === 'c') budget.deposit();
      return letter === 'c' ? 'c' : budget.withdraw() ? 'y' : 'n';
    }),
  );
};

describe('retryBudget', () => {
  marble('every second call pays for a retry at a ratio of one half', (helpers) => {
    const retries$ = run(helpers, 'c-r-c-r-r-c-c-r-r', { ratio: 0.5, minPerSecond: 0 });
    helpers.expectObservable(retries$).toBe('c-n-c-y-n-c-c-y-n');
  });

  marble('without calls the allowance alone can be spent, again in each window', (helpers) => {
    // Two in 100 ms.
    const retries$ = run(helpers, 'r-r-r 96ms r-r-r', { minPerSecond: 20, ttlMs: 100 });
    helpers.expectObservable(retries$).toBe('y-y-n 96ms y-y-n');
  });

  marble('calls of long ago pay for nothing', (helpers) => {
    const retries$ = run(helpers, 'c-c-c 100ms r', { ratio: 1, minPerSecond: 0, ttlMs: 100 });
    helpers.expectObservable(retries$).toBe('c-c-c 100ms n');
  });
});
