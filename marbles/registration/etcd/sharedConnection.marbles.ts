import { EMPTY, map, Subject, throwError } from 'rxjs';
import { FleetError } from '../../../src/core/fleetError.js';
import { resolveConnection } from '../../../src/discovery/etcd/connectionOptions.js';
import { KV } from '../../../src/gen/etcd/rpc_pb.js';
import { SharedConnection } from '../../../src/registration/etcd/sharedConnection.js';
import { marble, type MarbleHelpers } from '../../../src/testing/marble.js';
import { fakeChannel } from '../../../test/core/fakeChannel.js';
import { ok, page } from '../../discovery/etcd/fakeEtcd.js';

/** Channels are counted as they open, and noted with the frame at which they close. */
const share = (helpers: MarbleHelpers) => {
  const closed: number[] = [];
  let opened = 0;
  const connection = resolveConnection({
    transport: {
      name: 'fake',
      open: () => {
        opened++;
        const channel = fakeChannel(() => helpers.cold('--(rt)', { r: page(7, {}), t: ok }));
        return { ...channel, close: () => void closed.push(helpers.scheduler.now()) };
      },
    },
  });
  const shared = new SharedConnection(connection, { scheduler: helpers.scheduler, random: () => 0 });
  const request$ = shared.use(({ client }) => client.unary(KV.method.range, {}).pipe(map(() => 'r')));
  return { shared, request$, closed, opened: () => opened };
};

describe('SharedConnection', () => {
  marble('two requests at once use one connection, closed after the last', (helpers) => {
    const { request$, closed, opened } = share(helpers);
    helpers.expectObservable(request$).toBe('--(r|)');
    helpers.expectObservable(request$, '-^').toBe('---(r|)');
    helpers.flush();
    expect([opened(), closed]).toEqual([1, [3]]);
  });

  marble('a lease holds it open between its heartbeats, and its end closes it when nobody comes', (helpers) => {
    const { shared, request$, closed, opened } = share(helpers);
    helpers.hot('-h').subscribe(() => shared.holds(1n, 50));
    helpers.expectObservable(request$).toBe('--(r|)');
    helpers.expectObservable(request$, '20ms ^').toBe('22ms (r|)');
    helpers.flush();
    expect([opened(), closed]).toEqual([1, [51]]);
  });

  marble('it closes at once when the last lease is given up', (helpers) => {
    const { shared, request$, closed } = share(helpers);
    shared.holds(1n, 50);
    shared.holds(2n, 50);
    helpers.hot('-g').subscribe(() => shared.gaveUp(1n));
    helpers.hot('------------g').subscribe(() => shared.gaveUp(2n));
    helpers.expectObservable(request$).toBe('--(r|)');
    helpers.expectObservable(request$, '----------^').toBe('------------(r|)');
    helpers.flush();
    expect(closed).toEqual([12]);
  });

  marble('requests that end without a value, or fail, end so, and leave nothing open', (helpers) => {
    const { shared } = share(helpers);
    const error = new FleetError('UNAVAILABLE', 'gone');
    helpers.expectObservable(shared.use(() => EMPTY)).toBe('|');
    helpers.expectObservable(shared.use(() => throwError(() => error))).toBe('#', {}, error);
  });

  marble('unsubscribing from the only request closes it', (helpers) => {
    const { request$, closed } = share(helpers);
    helpers.expectObservable(request$, '^!').toBe('-');
    helpers.flush();
    expect(closed).toEqual([1]);
  });

  marble('an endless request holds it open', (helpers) => {
    const { shared, request$, closed, opened } = share(helpers);
    const never$ = new Subject<string>();
    helpers
      .expectObservable(
        shared.use(() => never$),
        '^---------!',
      )
      .toBe('-');
    helpers.expectObservable(request$, '-----^').toBe('-------(r|)');
    helpers.flush();
    expect([opened(), closed]).toEqual([1, [10]]);
  });
});
