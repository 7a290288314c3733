import { map } from 'rxjs';
import { FleetError } from '../../../src/core/fleetError.js';
import type { NodeSet } from '../../../src/core/nodeSet.js';
import { followRanges, type Following } from '../../../src/discovery/etcd/followRanges.js';
import { prefixRange } from '../../../src/discovery/etcd/keyRange.js';
import { Ledger } from '../../../src/discovery/etcd/ledger.js';
import { marble, type MarbleHelpers } from '../../../src/testing/marble.js';
import {
  changed,
  compacted,
  created,
  failed,
  fakeEtcd,
  ok,
  page,
  unavailable,
  watched,
  type Script,
} from './fakeEtcd.js';

const x = { 's/x': ['1', 3] as [string, number] };
const xy = { ...x, 's/y': ['1', 8] as [string, number] };
const events = {
  l: page(5, x),
  m: page(5, x, true),
  M: page(6, { 's/z': ['1', 4] }),
  L: page(9, xy),
  o: page(5, { 's/x': ['other', 4] }),
  0: page(5, {}),
  c: created(5),
  d: created(9),
  y: changed(6, { 's/y': '1' }),
  Y: changed(7, { 's/x': undefined, 's/y': '2' }),
  p: watched({}, 8),
  a: watched({ watchId: -1n }, 9),
  k: compacted,
  q: failed('OUT_OF_RANGE', 'etcdserver: mvcc: required revision has been compacted'),
  u: unavailable,
  t: ok,
};

const follow = (helpers: MarbleHelpers, script: Script) => {
  const skipped: string[] = [];
  const etcd = fakeEtcd(helpers, script, events);
  const following: Following = {
    ledger: new Ledger({
      decode: ({ key, value }) => ({ id: key.slice(2), address: '10.0.0.1:1', version: value }),
      skipped: (message) => skipped.push(message),
      now: () => 0,
    }),
    ranges: [prefixRange('s/')],
    revisions: [],
  };
  const session = () =>
    followRanges(etcd.client, following, { pageSize: 2, requestTimeoutMs: 20, scheduler: helpers.scheduler }).pipe(
      map(({ nodes }: NodeSet) => nodes.map(({ id, version }) => id + version).join(' ')),
    );
  return { ...etcd, following, session };
};
const sets = { 0: '', x: 'x1', y: 'x1 y1', Y: 'y2', z: 'x1 z1' };
const timeLimit = 'did not answer the request to watch within 20 ms: check that it is reachable';

describe('followRanges', () => {
  marble('lists, and watches from the next revision', (helpers) => {
    const { session, calls } = follow(helpers, { Range: ['-(lt)'], Watch: ['-c--y--Y'] });
    // The watch stands at 2 and says the same again, which whoever runs the session drops.
    helpers.expectObservable(session()).toBe('-xx--y--Y', sets);
    helpers.flush();
    expect(calls[1]!.sent[0]).toMatchObject({ requestUnion: { value: { startRevision: 6n, fragment: true } } });
  });

  marble('lists page by page, all at the revision of the first', (helpers) => {
    const { session, calls } = follow(helpers, { Range: ['-(mt)', '-(Mt)'], Watch: ['---c'] });
    helpers.expectObservable(session()).toBe('--z--z', sets);
    helpers.flush();
    expect(calls.slice(0, 2).map(({ sent: [request] }) => (request as { revision: bigint }).revision)).toEqual([
      0n,
      5n,
    ]);
    expect(calls[2]!.sent[0]).toMatchObject({ requestUnion: { value: { startRevision: 6n } } });
  });

  marble('an empty listing is a set, for the source says so', (helpers) => {
    const { session } = follow(helpers, { Range: ['-(0t)'], Watch: ['-c--y'] });
    helpers.expectObservable(session()).toBe('-00--y', { ...sets, y: 'y1' });
  });

  marble('takes up where the last session ended, once it is sure that it is the same store', (helpers) => {
    const { session, log, calls } = follow(helpers, {
      Range: ['-(lt)', '-(lt)'],
      Watch: ['-c--u', '-d-y---a'],
    });
    helpers.expectObservable(session()).toBe('-xx--#', sets, lost('a:1'));
    // Silent until it has heard all that it missed.
    helpers.expectObservable(session(), '----------^').toBe('------------------y', sets);
    helpers.flush();
    expect(log).toEqual(['Range at a:1', 'Watch at a:1', 'Range at b:2', 'Watch at b:2']);
    expect(calls[2]!.sent[0]).toMatchObject({ revision: 5n, limit: 0n });
    expect(calls[3]!.sent[0]).toMatchObject({ requestUnion: { value: { startRevision: 6n } } });
  });

  marble('takes up from the last progress notification', (helpers) => {
    const { session, calls } = follow(helpers, { Range: ['-(lt)', '-(lt)'], Watch: ['-c-p-u'] });
    helpers.expectObservable(session()).toBe('-xx---#', sets, lost('a:1'));
    helpers.expectObservable(session(), '----------^----!').toBe('-');
    helpers.flush();
    expect(calls[2]!.sent[0]).toMatchObject({ revision: 8n });
    expect(calls[3]!.sent[0]).toMatchObject({ requestUnion: { value: { startRevision: 9n } } });
  });

  marble('lists when the store is another one', (helpers) => {
    const { session } = follow(helpers, { Range: ['-(lt)', '-(ot)', '-(Lt)'], Watch: ['-c--u', '-d'] });
    helpers.expectObservable(session()).toBe('-xx--#', sets, lost('a:1'));
    helpers.expectObservable(session(), '----------^').toBe('------------yy', sets);
  });

  marble('lists when what it knew is compacted', (helpers) => {
    const { session } = follow(helpers, { Range: ['-(lt)', '-q', '-(Lt)'], Watch: ['-c--u', '-d'] });
    helpers.expectObservable(session()).toBe('-xx--#', sets, lost('a:1'));
    helpers.expectObservable(session(), '----------^').toBe('------------yy', sets);
  });

  marble('lists at once when the watch is compacted, and goes on', (helpers) => {
    const { session } = follow(helpers, { Range: ['-(lt)', '-(Lt)', '-(lt)'], Watch: ['-c--k', '-d--k', '-c'] });
    helpers.expectObservable(session()).toBe('-xx---yy---xx', sets);
  });

  marble('ends when the new watch is compacted as well, so that the next session waits', (helpers) => {
    const { session, following } = follow(helpers, { Range: ['-(lt)', '-(Lt)'], Watch: ['-k', '-k'] });
    const error = new FleetError('UNAVAILABLE', 'etcd at a:1 has compacted the revision to watch from, twice in a row');
    helpers.expectObservable(session()).toBe('-x-y#', sets, error);
    helpers.flush();
    expect(following.revisions).toEqual([]);
  });

  marble('starts the listing anew when it is compacted between two pages', (helpers) => {
    const { session } = follow(helpers, { Range: ['-(mt)', '-q', '-(Lt)'], Watch: ['-d'] });
    helpers.expectObservable(session()).toBe('---yy', sets);
  });

  marble('gives up on a watch that does not stand in time, and leaves the endpoint', (helpers) => {
    const { session, client } = follow(helpers, { Range: ['-(lt)'], Watch: ['-'] });
    const error = new FleetError('UNAVAILABLE', `etcd at a:1 ${timeLimit}`);
    helpers.expectObservable(session()).toBe('-x-------------------#', sets, error);
    helpers.flush();
    expect(client.endpoint).toBe('b:2');
  });

  marble('does not wait for ever for what a resumed watch still owes', (helpers) => {
    const { session } = follow(helpers, { Range: ['-(lt)', '-(lt)'], Watch: ['-c--u', '-d-y'] });
    helpers.expectObservable(session()).toBe('-xx--#', sets, lost('a:1'));
    helpers.expectObservable(session(), '----------^').toBe('------------ 20ms y', sets);
  });

  marble('leaves nothing open', (helpers) => {
    const { session, wires } = follow(helpers, { Range: ['-(lt)'], Watch: ['-c--y'] });
    helpers.expectObservable(session(), '^---!').toBe('-xx', sets);
    helpers.flush();
    helpers.expectSubscriptions(wires[1]!.subscriptions).toBe('-^--!');
  });
});

function lost(endpoint: string): FleetError {
  const message = `etcd at ${endpoint}: gone: check that it runs, is reachable, and has a leader`;
  return new FleetError('UNAVAILABLE', message);
}
