/** Looks and when they are taken: `l` is a look that finds one node, its life beside it; a frame is a millisecond. */

import { map } from 'rxjs';
import { createNode } from '../../../src/core/node.js';
import { refreshing } from '../../../src/discovery/dns/refreshing.js';
import type { Lookup } from '../../../src/discovery/dns/lookup.js';
import { marble, type MarbleHelpers } from '../../../src/testing/marble.js';

const node = createNode({ id: 'w1', name: 'w1.fleet.test', address: '10.0.0.1:80' });

interface Plan {
  readonly looks: readonly string[];
  readonly lifeMs: number;
  readonly reconfirm?: string;
  /** Why the look of this number is stale. */
  readonly stale?: (look: number) => string | undefined;
  readonly random?: number;
}

function refreshed(m: MarbleHelpers, { looks, lifeMs, reconfirm, stale, random = 0 }: Plan) {
  let taken = 0;
  const expired: string[] = [];
  const set$ = refreshing({
    lookup: () => {
      const look = taken++;
      const found = (): Lookup => ({ nodes: [node], refreshAt: m.scheduler.now() + lifeMs, stale: stale?.(look) });
      return m.cold(looks[look] ?? '-').pipe(map(found));
    },
    reconfirm$: reconfirm === undefined ? undefined : m.hot(reconfirm).pipe(map(() => 'w1')),
    expire: (name) => void expired.push(name),
    ...{ minTtlMs: 5, scheduler: m.scheduler, random: () => random },
  });
  // A letter for each set: fresh, or since when it is stale.
  return { set$: set$.pipe(map((set) => (set.stale ? String(set.stale.since) : 'l'))), expired };
}

describe('refreshing', () => {
  marble('says nothing while the first look is out', (m) => {
    m.expectObservable(refreshed(m, { looks: ['-'], lifeMs: 20 }).set$, '^---!').toBe('----');
  });

  marble('looks again when the life is over, each client up to a tenth later', (m) => {
    const looks = ['-(l|)', '-(l|)', '-(l|)'];
    m.expectObservable(refreshed(m, { looks, lifeMs: 20, random: 0.5 }).set$, '^ 60ms !').toBe('-l 21ms l 21ms l');
  });

  marble('looks no sooner than the least life, however short the answers live', (m) => {
    const looks = ['(l|)', '(l|)', '(l|)'];
    m.expectObservable(refreshed(m, { looks, lifeMs: 0 }).set$, '^ 14ms !').toBe('l----l----l');
  });

  marble('looks sooner when a call failed on a node, asking anew for that node', (m) => {
    const plan = { looks: ['(l|)', '(l|)', '-'], lifeMs: 1_000, reconfirm: '-- 20ms r' };
    const { set$, expired } = refreshed(m, plan);
    m.expectObservable(set$, '^ 60ms !').toBe('l 21ms l');
    m.flush();
    expect(expired).toEqual(['w1.fleet.test']);
  });

  marble('does not look faster for a storm of failed calls', (m) => {
    const plan = { looks: ['(l|)', '(l|)', '(l|)', '-'], lifeMs: 1_000, reconfirm: '-rrrrrrr' };
    m.expectObservable(refreshed(m, plan).set$, '^ 60ms !').toBe('l----l----l');
  });

  marble('says since when it is stale, and the same while the reason stays', (m) => {
    const stale = (look: number) => (look === 0 || look === 3 ? undefined : 'w1 is silent');
    const looks = ['(l|)', '(l|)', '(l|)', '(l|)', '(l|)'];
    m.expectObservable(refreshed(m, { looks, lifeMs: 10, stale }).set$, '^ 45ms !').toBe('l 9ms s 9ms s 9ms l 9ms t', {
      ...{ l: 'l', s: '10', t: '40' },
    });
  });

  marble('errors as soon as a look does', (m) => {
    m.expectObservable(refreshed(m, { looks: ['(l|)', '-#'], lifeMs: 10 }).set$).toBe('l 9ms -#');
  });

  marble('drops the look that is out when nobody listens any more', (m) => {
    const held = m.cold<Lookup>('-');
    const set$ = refreshing({
      ...{ lookup: () => held, reconfirm$: undefined, expire: () => undefined },
      ...{ minTtlMs: 5, scheduler: m.scheduler, random: () => 0 },
    });
    m.expectObservable(set$, '^--!').toBe('---');
    m.expectSubscriptions(held.subscriptions).toBe('^--!');
  });
});
