import { map, of, tap, type Observable } from 'rxjs';
import { InstancePicks, type AioCoolingOptions } from '../../src/aio/instancePicks.js';
import { FleetError } from '../../src/core/fleetError.js';
import type { AioInstance } from '../../src/discovery/aio/aioInstance.js';
import { marble, type MarbleHelpers } from '../../src/testing/marble.js';

const instance = (key: string): AioInstance => ({
  ...{ id: key, serviceId: '1', key, env: 'dev', host: 'h', endpoint: '', endpoints: [], httpPort: 0, grpcPort: 5 },
  ...{ meta: {}, ttlMs: 60_000, lastHeartbeatAt: 0, createdAt: 0, updatedAt: 0, flaws: [] },
});
const abc = [...'abc'].map(instance);

/**
 * Picks at each letter of the diagram, and reports at once: `p` well, `x` a failure of the instance, `r` one of the
 * request, `n` nothing at all. What was picked is told.
 */
function picked(
  { hot, scheduler }: MarbleHelpers,
  diagram: string,
  cooling: AioCoolingOptions = {},
  listed: (frame: number) => readonly AioInstance[] = () => abc,
): Observable<string> {
  const picks = new InstancePicks(scheduler, { cooldownMs: 10, maxCooldownMs: 40, ...cooling }, {});
  const errors: Record<string, unknown> = {
    x: new Error('connect ECONNREFUSED'),
    r: new FleetError('INVALID_ARGUMENT', 'no'),
  };
  return hot(diagram).pipe(
    map((letter) => ({ letter, pick: picks.pick(listed(scheduler.now()), 'shop/orders') })),
    tap(({ letter, pick }) => letter !== 'n' && pick.report(errors[letter])),
    map(({ pick }) => pick.instance.key),
  );
}

describe('InstancePicks', () => {
  marble('takes the instances in turn', (helpers) => {
    const pick$ = picked(helpers, 'ppppppp|');
    helpers.expectObservable(pick$).toBe('abcabca|');
  });

  marble('an instance that failed rests, and is tried once after that', (helpers) => {
    const pick$ = picked(helpers, 'ppxpp------ppp|');
    helpers.expectObservable(pick$).toBe('abcab------abc|');
  });

  marble('only one use tries it out; the others wait for what comes of it', (helpers) => {
    const pick$ = picked(helpers, 'ppx---------ppnppp|');
    helpers.expectObservable(pick$).toBe('abc---------abcaba|');
  });

  marble('a trial that fails lets it rest twice as long, up to the limit', (helpers) => {
    const only = [instance('a'), instance('b')];
    const pick$ = picked(helpers, 'x 10ms px 18ms ppp|', {}, () => only);
    helpers.expectObservable(pick$).toBe('a 10ms ba 18ms bab|');
  });

  marble('an instance that did well is as good as new', (helpers) => {
    const only = [instance('a'), instance('b')];
    const pick$ = picked(helpers, 'x 10ms ppx 10ms pp|', {}, () => only);
    helpers.expectObservable(pick$).toBe('a 10ms bab 10ms ab|');
  });

  marble('the failure of a request says nothing of the instance', (helpers) => {
    const pick$ = picked(helpers, 'rrrppp|');
    helpers.expectObservable(pick$).toBe('abcabc|');
  });

  marble('it may take several failures in a row', (helpers) => {
    const only = [instance('a'), instance('b')];
    const pick$ = picked(helpers, 'xpxppp|', { failures: 2 }, () => only);
    helpers.expectObservable(pick$).toBe('ababbb|');
  });

  marble('when all rest all are taken, since then it is more likely the network', (helpers) => {
    const pick$ = picked(helpers, 'xxxnnn|');
    helpers.expectObservable(pick$).toBe('abcabc|');
  });

  marble('the turn survives a list in which some have come and gone', (helpers) => {
    const pick$ = picked(helpers, 'pppp|', {}, (frame) => (frame < 2 ? abc : [...'bde'].map(instance)));
    helpers.expectObservable(pick$).toBe('abde|');
  });

  marble('instances that share a host fail each on its own', (helpers) => {
    const pick$ = picked(helpers, 'xppp|');
    helpers.expectObservable(pick$).toBe('abcb|');
  });

  marble('none online is an error that says where', ({ expectObservable, scheduler }) => {
    const picks = new InstancePicks(scheduler, {}, {});
    const pick$ = of(0).pipe(map(() => picks.pick([], 'aio at a:1: shop/orders').instance.key));
    const message = 'aio at a:1: shop/orders has no instance online; start one, or look what registers it';
    expectObservable(pick$).toBe('#', undefined, new FleetError('NO_NODES', message));
  });
});
