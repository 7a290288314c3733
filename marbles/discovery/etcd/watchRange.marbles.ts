import { map, type Observable } from 'rxjs';
import { FleetError } from '../../../src/core/fleetError.js';
import { textOf, prefixRange } from '../../../src/discovery/etcd/keyRange.js';
import { watchRange, type WatchNews } from '../../../src/discovery/etcd/watchRange.js';
import { marble, type MarbleHelpers } from '../../../src/testing/marble.js';
import { changed, compacted, created, fakeEtcd, ok, unavailable, watched } from './fakeEtcd.js';

const events = {
  c: created(5),
  d: created(8),
  D: created(8, 2n),
  e: changed(6, { x: '1' }),
  f: changed(7, { x: '2' }, { fragment: true }),
  g: changed(7, { y: '2' }),
  h: changed(8, { z: '3' }, { watchId: 2n }),
  p: watched({}, 9),
  a: watched({ watchId: -1n }, 9),
  k: compacted,
  n: watched({ canceled: true, cancelReason: 'rpc error: code = Unavailable desc = etcdserver: no leader' }, 9),
  r: watched({ canceled: true, cancelReason: 'etcdserver: permission denied' }, 9),
  t: ok,
  u: unavailable,
};

const names = { c: 'created', u: 'caughtUp', e: '6:x=1', g: '7:x=2 y=2', y: '7:y=2', h: '8:z=3', p: '@9' };

/** News as text: changes as `revision:key=value …`, bookmarks as `@revision`. */
const drawn = (news$: Observable<WatchNews>) =>
  news$.pipe(
    map((news) => {
      if (news.type === 'bookmark') return `@${news.revision}`;
      if (news.type !== 'events') return news.type;
      return `${news.revision}:${news.events.map(({ kv }) => `${textOf(kv!.key)}=${textOf(kv!.value)}`).join(' ')}`;
    }),
  );

const watch = (helpers: MarbleHelpers, diagram: string, catchUpMs = 0, known: readonly bigint[] = [5n]) => {
  const etcd = fakeEtcd(helpers, { Watch: [diagram] }, events);
  const ranges = known.map((revision) => ({ ...prefixRange('x'), revision }));
  return { ...etcd, news$: drawn(watchRange(etcd.client, ranges, { scheduler: helpers.scheduler, catchUpMs })) };
};
const asked = (call: { readonly sent: readonly unknown[] } | undefined) =>
  (call?.sent ?? []).map((request) => (request as { requestUnion: { case: string } }).requestUnion.case);

describe('watchRange', () => {
  marble('tells changes revision by revision, once the watch stands', (helpers) => {
    helpers.expectObservable(watch(helpers, '-c-----e-g').news$).toBe('-(cu)--e-y', names);
  });

  marble('tells fragments of one answer as one, so that a revision is never seen in parts', (helpers) => {
    helpers.expectObservable(watch(helpers, '-c-----f-f-g').news$).toBe('-(cu)------g', {
      ...names,
      g: '7:x=2 x=2 y=2',
    });
  });

  marble('does not tell again what is known', (helpers) => {
    helpers.expectObservable(watch(helpers, '-c-----e-e-g-g').news$).toBe('-(cu)--e---y', names);
  });

  marble('tells how far nothing has changed', (helpers) => {
    helpers.expectObservable(watch(helpers, '-c-----p-p').news$).toBe('-(cu)--p', names);
  });

  marble('waits for all of its watches before it stands, and knows them apart', (helpers) => {
    const { news$ } = watch(helpers, '-d--D----h', 0, [8n, 7n]);
    helpers.expectObservable(news$).toBe('----(cu)-h', names);
  });

  marble('has caught up at once when nothing was missed', (helpers) => {
    const { news$, calls } = watch(helpers, '-c', 500);
    helpers.expectObservable(news$).toBe('-(cu)', names);
    helpers.flush();
    expect(asked(calls[0])).toEqual(['createRequest']);
  });

  marble('asks until it is told that all it missed has come', (helpers) => {
    const { news$, calls } = watch(helpers, '-d---e--- 240ms a', 500);
    helpers.expectObservable(news$).toBe('-c---e--- 240ms u', names);
    helpers.flush();
    expect(asked(calls[0])).toEqual(['createRequest', 'progressRequest', 'progressRequest', 'progressRequest']);
  });

  marble('does not ask for ever', (helpers) => {
    helpers.expectObservable(watch(helpers, '-d---e', 500).news$).toBe('-c---e 495ms u', names);
  });

  marble('a watch that is never created says nothing', (helpers) => {
    helpers.expectObservable(watch(helpers, '-').news$, '^-----!').toBe('-');
  });

  marble('a compacted revision is an error of its own, for listing again helps', (helpers) => {
    const error = new FleetError('OUT_OF_RANGE', 'etcd at a:1 has compacted the revision to watch from');
    helpers.expectObservable(watch(helpers, '-c----k').news$).toBe('-(cu)-#', names, error);
  });

  marble('a watch that the server gives up ends the session, and the endpoint is left', (helpers) => {
    const { news$, client } = watch(helpers, '-n');
    const error = new FleetError(
      'UNAVAILABLE',
      'etcd at a:1 cancelled the watch: etcdserver: no leader: it is opened again',
    );
    helpers.expectObservable(news$).toBe('-#', names, error);
    helpers.flush();
    expect(client.endpoint).toBe('b:2');
  });

  marble('a watch that the user may not have is refused for good', (helpers) => {
    const error = new FleetError(
      'PERMISSION_DENIED',
      'etcd at a:1 denies the watch: grant a role with read permission for the keys',
    );
    helpers.expectObservable(watch(helpers, '-r').news$).toBe('-#', names, error);
  });

  marble('a stream that ends is as broken as one that fails', (helpers) => {
    const error = new FleetError('UNAVAILABLE', 'etcd at a:1 ended the watch');
    helpers.expectObservable(watch(helpers, '-c-----t').news$).toBe('-(cu)--#', names, error);
  });

  marble('unsubscribing ends the stream', (helpers) => {
    const { news$, wires } = watch(helpers, '-c-----e', 500);
    helpers.expectObservable(news$, '^-----!').toBe('-(cu)', names);
    helpers.flush();
    helpers.expectSubscriptions(wires[0]!.subscriptions).toBe('^-----!');
  });
});
