import { concat, map, NEVER, type Observable } from 'rxjs';
import { FleetError } from '../../../src/core/fleetError.js';
import { KV, Watch, type RangeResponse } from '../../../src/gen/etcd/rpc_pb.js';
import { marble } from '../../../src/testing/marble.js';
import { created, failed, fakeEtcd, ok, page, token, unavailable, type FakeEtcd } from './fakeEtcd.js';

const events = {
  r: page(7, {}),
  k: token('t1'),
  K: token('t2'),
  c: created(7),
  t: ok,
  u: unavailable,
  i: failed('UNAUTHENTICATED', 'etcdserver: invalid auth token'),
  n: failed('FAILED_PRECONDITION', 'etcdserver: authentication is not enabled'),
};
const login = { user: 'reader', password: 'secret' };
const range = ({ client }: FakeEtcd): Observable<string> =>
  client.unary(KV.method.range, {}).pipe(map(({ header }: RangeResponse) => String(header!.revision)));
const gone = new FleetError('UNAVAILABLE', 'etcd at b:2: gone: check that it runs, is reachable, and has a leader');
const tokens = ({ calls }: FakeEtcd) => calls.map(({ context }) => context.metadata!.token);

describe('EtcdClient', () => {
  marble('asks the next endpoint when one cannot be reached, and stays there', (helpers) => {
    const etcd = fakeEtcd(helpers, { Range: ['--u', '--(rt)', '-(rt)'] }, events);
    helpers.expectObservable(range(etcd)).toBe('----(r|)', { r: '7' });
    helpers.expectObservable(range(etcd), '----------^').toBe('-----------(r|)', { r: '7' });
    helpers.flush();
    expect(etcd.log).toEqual(['Range at a:1', 'Range at b:2', 'Range at b:2']);
  });

  marble('asks each endpoint once, and says where the last one was and what to do', (helpers) => {
    const etcd = fakeEtcd(helpers, { Range: ['--u', '--u'] }, events);
    helpers.expectObservable(range(etcd)).toBe('----#', {}, gone);
  });

  marble('gives each request its deadline', (helpers) => {
    const etcd = fakeEtcd(helpers, { Range: ['--(rt)'] }, events);
    helpers.expectObservable(range(etcd)).toBe('--(r|)', { r: '7' });
    helpers.flush();
    expect(etcd.calls.map(({ context }) => context.deadline)).toEqual([20]);
    expect(etcd.calls[0]!.context.metadata).toEqual({ hasleader: 'true' });
  });

  marble('logs in once for two requests that need it', (helpers) => {
    const etcd = fakeEtcd(helpers, { Authenticate: ['---(kt)'], Range: ['-(rt)', '--(rt)'] }, events, login);
    helpers.expectObservable(range(etcd)).toBe('----(r|)', { r: '7' });
    helpers.expectObservable(range(etcd), '-^').toBe('-----(r|)', { r: '7' });
    helpers.flush();
    expect(etcd.log).toEqual(['Authenticate at a:1', 'Range at a:1', 'Range at a:1']);
    expect(tokens(etcd)).toEqual([undefined, 't1', 't1']);
  });

  marble('logs in again when the token has run out, once for a request', (helpers) => {
    const script = { Authenticate: ['-(kt)', '-(Kt)'], Range: ['-i', '-(rt)'] };
    const etcd = fakeEtcd(helpers, script, events, login);
    helpers.expectObservable(range(etcd)).toBe('----(r|)', { r: '7' });
    helpers.flush();
    expect(tokens(etcd)).toEqual([undefined, 't1', undefined, 't2']);
  });

  marble('gives up when a new token is refused, too', (helpers) => {
    const script = { Authenticate: ['-(kt)', '-(Kt)'], Range: ['-i', '-i'] };
    const etcd = fakeEtcd(helpers, script, events, login);
    const error = new FleetError('UNAUTHENTICATED', 'etcd at a:1: invalid auth token: check the user and its password');
    helpers.expectObservable(range(etcd)).toBe('----#', {}, error);
  });

  marble('goes on without a token where there are no users', (helpers) => {
    const etcd = fakeEtcd(helpers, { Authenticate: ['-n'], Range: ['-(rt)', '-(rt)'] }, events, login);
    helpers.expectObservable(concat(range(etcd), range(etcd))).toBe('--r(r|)', { r: '7' });
    helpers.flush();
    expect(etcd.log).toEqual(['Authenticate at a:1', 'Range at a:1', 'Range at a:1']);
  });

  marble('a stream that breaks leaves its endpoint, and is not repeated by itself', (helpers) => {
    const etcd = fakeEtcd(helpers, { Watch: ['-c-u'] }, events);
    const stream$ = etcd.client.stream(Watch.method.watch, NEVER).pipe(map(() => 'c'));
    const error = new FleetError(
      'UNAVAILABLE',
      'etcd at a:1: gone: check that it runs, is reachable, and has a leader',
    );
    helpers.expectObservable(stream$).toBe('-c-#', { c: 'c' }, error);
    helpers.flush();
    expect(etcd.client.endpoint).toBe('b:2');
  });

  marble('a request that is left is cancelled on the wire', (helpers) => {
    const etcd = fakeEtcd(helpers, { Range: ['-----(rt)'] }, events);
    helpers.expectObservable(range(etcd), '^--!').toBe('-');
    helpers.flush();
    expect(etcd.calls[0]!.cancelled).toBe(true);
  });

  marble('is over when it is closed', (helpers) => {
    const etcd = fakeEtcd(helpers, {}, events);
    etcd.client.close();
    helpers.expectObservable(range(etcd)).toBe('#', {}, new FleetError('CLOSED', 'the connection to etcd was closed'));
  });
});
