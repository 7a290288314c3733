import { ignoreElements, map, merge, type Observable } from 'rxjs';
import type { NodeSet } from '../../../src/core/nodeSet.js';
import { aioDiscovery } from '../../../src/discovery/aio/aioDiscovery.js';
import { ServiceLists } from '../../../src/discovery/aio/serviceLists.js';
import { marble, type MarbleHelpers } from '../../../src/testing/marble.js';
import { drawnAio, type Answer } from '../../aio/drawnAio.js';

/** The list of shop/orders with these instances; a status where it has a name of one; `undefined` for no answer. */
const listing =
  (...answers: readonly (string | undefined)[]): Answer =>
  (n) => {
    const keys = answers[Math.min(n, answers.length) - 1];
    if (keys === undefined) return undefined;
    if (keys === keys.toUpperCase()) return keys || empty;
    const instances = [...keys].map((instanceKey) => ({ instanceKey, host: 'h', grpcPort: 5n }));
    return { services: [{ service: { id: 1n, project: 'shop', name: 'orders' }, instances }] };
  };
const empty = { services: [{ service: { id: 1n, project: 'shop', name: 'orders' }, instances: [] }] };

const ids = map((set: NodeSet) => (set.nodes.map(({ id }) => id).join('') || '0') + (set.stale ? '!' : ''));

function drawn({ scheduler }: MarbleHelpers, ListServices: Answer, pollMs = 20) {
  const { access, arrived$ } = drawnAio(scheduler, { ListServices }, { disableAuth: true, callTimeoutMs: 10 });
  const lists = new ServiceLists(access, { pollMs });
  const discovery = aioDiscovery(access, lists);
  const query = { service: 'orders', namespace: 'shop', scheduler, random: () => 0.5 };
  const ids$: Observable<string> = discovery(query).pipe(ids);
  const asked$ = arrived$.pipe(map(() => '?'));
  const others = { carts$: discovery({ ...query, service: 'carts' }).pipe(ids), lists };
  return { ids$, asked$, ...others };
}

describe('the lists of AIO', () => {
  marble('are asked for at once, then each interval after the answer', (helpers) => {
    const { ids$, asked$ } = drawn(helpers, listing('a', 'a', 'ab'));
    helpers.expectObservable(merge(asked$, ids$.pipe(ignoreElements())), '^ 50ms !').toBe('? 21ms ? 21ms ?');
  });

  marble('give a set when it differs from the one before', (helpers) => {
    const { ids$ } = drawn(helpers, listing('a', 'a', 'ab'));
    const values = { a: 'a', b: 'ab' };
    helpers.expectObservable(ids$, '^ 50ms !').toBe('--a 43ms b', values);
  });

  marble('are asked for once by all who follow them, and who comes later has the last at once', (helpers) => {
    const { ids$, asked$, carts$ } = drawn(helpers, listing('a'));
    const followers$ = merge(ids$, carts$, ids$).pipe(ignoreElements());
    helpers.expectObservable(merge(asked$, followers$), '^ 30ms !').toBe('? 21ms ?');
    helpers.expectObservable(ids$, '-----^ 10ms !').toBe('-----a');
  });

  marble('leave the last set as stale when they fail, and are asked for again with backoff', (helpers) => {
    const { ids$ } = drawn(helpers, listing('a', 'UNAVAILABLE', 'UNAVAILABLE', 'ab'));
    const values = { a: 'a', s: 'a!', b: 'ab' };
    helpers.expectObservable(ids$, '^ 400ms !').toBe('--a 21ms s 303ms b', values);
  });

  marble('are asked for once in an outage, however many follow them', (helpers) => {
    const { ids$, asked$, carts$ } = drawn(helpers, listing('UNAVAILABLE'));
    const followers$ = merge(ids$, carts$, ids$, carts$).pipe(ignoreElements());
    helpers.expectObservable(merge(asked$, followers$), '^ 400ms !').toBe('? 101ms ? 201ms ?');
  });

  marble('are given up when nothing comes, as any other failure', (helpers) => {
    const { ids$ } = drawn(helpers, listing('a', undefined, 'ab'));
    helpers.expectObservable(ids$, '^ 200ms !').toBe('--a 29ms s 101ms b', { a: 'a', s: 'a!', b: 'ab' });
  });

  marble('that list no instance are empty, for the server says so', (helpers) => {
    const { ids$ } = drawn(helpers, listing('a', '', 'b'));
    helpers.expectObservable(ids$, '^ 50ms !').toBe('--a 21ms 0 21ms b');
  });

  marble('are asked for no more when nobody follows them', (helpers) => {
    const { ids$, asked$ } = drawn(helpers, listing('a'));
    helpers.expectObservable(asked$, '^ 100ms !').toBe('?');
    helpers.expectObservable(ids$, '^---!').toBe('--a');
  });

  marble('serve an old answer for a while, and a still older one in an outage', (helpers) => {
    const { lists, asked$ } = drawn(helpers, listing('a', 'UNAVAILABLE'));
    const recent$ = lists.recent('shop', 'dev').pipe(map(({ services }) => services[0]!.instances[0]!.key));
    helpers.expectObservable(asked$, '^ 100ms !').toBe('? 31ms ?');
    helpers.expectObservable(recent$, '^').toBe('--(a|)');
    helpers.expectObservable(recent$, '--------^').toBe('--------(a|)');
    helpers.expectObservable(recent$, '-- 30ms ^').toBe('-- 32ms (a|)');
    // The backoff after a failure keeps a busy user from asking at each pick.
    helpers.expectObservable(recent$, '-- 50ms ^').toBe('-- 50ms (a|)');
  });
});
