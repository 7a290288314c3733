/** The pace of a source that keeps answering: `a` an answer, and the rest that follows it in milliseconds. */

import { map } from 'rxjs';
import fc from 'fast-check';
import { marble, type MarbleHelpers } from '../../../src/testing/marble.js';
import { paced, rested } from '../../../src/discovery/consul/pace.js';

const options = { burst: 2, steadyMs: 100, firstMs: 10 };

function rests(m: MarbleHelpers, diagram: string) {
  let pace = rested(options, 0);
  return m.hot(diagram).pipe(
    map(() => {
      const next = paced(pace, m.scheduler.now(), options, () => 0.5);
      pace = next.pace;
      return next.restMs;
    }),
  );
}

describe('pace', () => {
  marble('lets the listing and a burst of two go free', (m) => {
    m.expectObservable(rests(m, 'aaa--')).toBe('000--', { 0: 0 });
  });

  marble('rests from the third on, ever longer, and no longer than the steady wait', (m) => {
    m.expectObservable(rests(m, 'aaa aaaaaa')).toBe('000 abcdee', { 0: 0, a: 10, b: 20, c: 40, d: 80, e: 100 });
  });

  marble('forgets the haste after a time of calm', (m) => {
    m.expectObservable(rests(m, 'aaaaa 300ms aaa')).toBe('000ab 300ms 00a', { 0: 0, a: 10, b: 20 });
  });

  it('never follows more answers than the burst and one in a steady wait, once it is there, whatever comes', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 30 }), { minLength: 50, maxLength: 400 }), (gaps) => {
        let pace = rested(options, 0);
        let now = 0;
        const followed: number[] = [];
        for (const gap of gaps) {
          now += gap;
          const next = paced(pace, now, options, () => 0.5);
          pace = next.pace;
          now += next.restMs;
          followed.push(now);
        }
        // Past the burst and the growth of the waits, each hundred milliseconds sees two at most, one rested and one saved up.
        const late = followed.slice(10);
        return late.every((at, index) => (late[index + 3] ?? Infinity) - at >= options.steadyMs);
      }),
      { verbose: true },
    );
  });
});
