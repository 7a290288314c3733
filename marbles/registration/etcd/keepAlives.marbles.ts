import { FleetError } from '../../../src/core/fleetError.js';
import { KeepAlives } from '../../../src/registration/etcd/keepAlives.js';
import { marble, type MarbleHelpers } from '../../../src/testing/marble.js';
import { alive, failed, fakeEtcd, token, unavailable, ok, type Script } from '../../discovery/etcd/fakeEtcd.js';
import type { EtcdConnectionOptions } from '../../../src/discovery/etcd/connectionOptions.js';

const events = {
  a: alive(1, 10),
  b: alive(2, 20),
  x: alive(1, 0),
  k: token('t1'),
  K: token('t2'),
  i: failed('UNAUTHENTICATED', 'etcdserver: invalid auth token'),
  t: ok,
  u: unavailable,
};
const lives = { a: 10_000, b: 20_000, x: 0 };
const silent = new FleetError(
  'UNAVAILABLE',
  'etcd at a:1 did not answer a heartbeat within 20 ms: check that it is reachable',
);
const gone = new FleetError('UNAVAILABLE', 'etcd at a:1: gone: check that it runs, is reachable, and has a leader');

const keep = (helpers: MarbleHelpers, script: Script, options?: EtcdConnectionOptions) => {
  const etcd = fakeEtcd(helpers, script, events, options);
  const keepAlives = new KeepAlives(etcd.client, { requestTimeoutMs: 20, scheduler: helpers.scheduler });
  return { ...etcd, keepAlives };
};

describe('KeepAlives', () => {
  marble('all leases share one stream, each with its own answer', (helpers) => {
    const { keepAlives, log } = keep(helpers, { LeaseKeepAlive: ['----b--a'] });
    helpers.expectObservable(keepAlives.renew(1n)).toBe('-------(a|)', lives);
    helpers.expectObservable(keepAlives.renew(2n), '-^').toBe('----(b|)', lives);
    helpers.flush();
    expect(log).toEqual(['LeaseKeepAlive at a:1']);
  });

  marble('answers belong to heartbeats in the order of their sending, also to those that were left', (helpers) => {
    const { keepAlives } = keep(helpers, { LeaseKeepAlive: ['-----a---x'] });
    helpers.expectObservable(keepAlives.renew(1n), '^--!').toBe('-');
    helpers.expectObservable(keepAlives.renew(1n), '--^').toBe('---------(x|)', lives);
  });

  marble('a lease that is gone has no life left', (helpers) => {
    const { keepAlives } = keep(helpers, { LeaseKeepAlive: ['--x'] });
    helpers.expectObservable(keepAlives.renew(1n)).toBe('--(x|)', lives);
  });

  marble('a stream that breaks fails all that wait, and the next heartbeat opens another', (helpers) => {
    const { keepAlives, log } = keep(helpers, { LeaseKeepAlive: ['---u', '--a'] });
    helpers.expectObservable(keepAlives.renew(1n)).toBe('---#', lives, gone);
    helpers.expectObservable(keepAlives.renew(2n)).toBe('---#', lives, gone);
    helpers.expectObservable(keepAlives.renew(1n), '-----^').toBe('-------(a|)', lives);
    helpers.flush();
    expect(log).toEqual(['LeaseKeepAlive at a:1', 'LeaseKeepAlive at b:2']);
  });

  marble('a stream that ends has failed', (helpers) => {
    const { keepAlives } = keep(helpers, { LeaseKeepAlive: ['---t'] });
    const error = new FleetError('UNAVAILABLE', 'etcd at a:1 ended the heartbeats');
    helpers.expectObservable(keepAlives.renew(1n)).toBe('---#', lives, error);
  });

  marble('a heartbeat without an answer gives up the stream and the endpoint', (helpers) => {
    const { keepAlives, client, wires } = keep(helpers, { LeaseKeepAlive: ['-', '--a'] });
    helpers.expectObservable(keepAlives.renew(1n)).toBe('20ms #', lives, silent);
    helpers.expectObservable(keepAlives.renew(1n), '25ms ^').toBe('27ms (a|)', lives);
    helpers.flush();
    expect(client.endpoint).toBe('b:2');
    helpers.expectSubscriptions(wires[0]!.subscriptions).toBe('^ 19ms !');
  });

  marble('heartbeats wait for the login, and none is forgotten', (helpers) => {
    const login = { user: 'writer', password: 'secret' };
    const { keepAlives, calls } = keep(helpers, { Authenticate: ['---(kt)'], LeaseKeepAlive: ['-a-b'] }, login);
    helpers.expectObservable(keepAlives.renew(1n)).toBe('----(a|)', lives);
    helpers.expectObservable(keepAlives.renew(2n), '-^').toBe('------(b|)', lives);
    helpers.flush();
    expect(calls[1]!.sent).toMatchObject([{ ID: 1n }, { ID: 2n }]);
  });

  marble('a token that has run out is renewed, once', (helpers) => {
    const login = { user: 'writer', password: 'secret' };
    const script = { Authenticate: ['-(kt)', '-(Kt)'], LeaseKeepAlive: ['-i', '-a'] };
    const { keepAlives, log } = keep(helpers, script, login);
    helpers.expectObservable(keepAlives.renew(1n)).toBe('----(a|)', lives);
    helpers.flush();
    expect(log).toHaveLength(4);
  });

  marble('closing ends the stream and what waits', (helpers) => {
    const { keepAlives, wires } = keep(helpers, { LeaseKeepAlive: ['-----a'] });
    helpers.hot('---c').subscribe(() => keepAlives.close());
    const error = new FleetError('CANCELLED', 'the connection to etcd was closed');
    helpers.expectObservable(keepAlives.renew(1n)).toBe('---#', lives, error);
    helpers.flush();
    helpers.expectSubscriptions(wires[0]!.subscriptions).toBe('^--!');
  });
});
