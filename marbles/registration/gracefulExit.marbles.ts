import { filter, map, Subscription, throwError, type Observable } from 'rxjs';
import { FleetError } from '../../src/core/fleetError.js';
import { gracefulExit, type GracefulExitOptions } from '../../src/registration/gracefulExit.js';
import { register } from '../../src/registration/register.js';
import { marble, type MarbleHelpers } from '../../src/testing/marble.js';
import { scriptedRegistry, type ScriptedRegistry } from '../../test/registration/scriptedRegistry.js';

const exit = (m: MarbleHelpers, options: GracefulExitOptions): Observable<string> =>
  gracefulExit({ waitMs: 4, drainMs: 9, scheduler: m.scheduler, ...options }).pipe(
    map(({ step, registration, error }) => [step, registration?.state, error?.message].filter(Boolean).join(': ')),
  );
const values = {
  n: 'notServing',
  w: 'withdrawing',
  W: 'withdrawing: withdrawing',
  p: 'waiting',
  d: 'draining',
  c: 'closing',
  e: 'closed',
};
const down = new FleetError('UNAVAILABLE', 'script is down');
const registered = (m: MarbleHelpers, registry: ScriptedRegistry) => (withdraw$: Observable<void>) =>
  register({ service: 'demo', address: '10.0.0.1:1' }, registry, { withdraw$, scheduler: m.scheduler });

describe('gracefulExit', () => {
  marble('goes step by step, each after the one before', (m) => {
    const setServing = m.cold('--|');
    const drain = m.cold('-x|');
    const close = m.cold('--|');
    const options = { setServing: () => setServing, drain: () => drain, close: () => close };
    m.expectObservable(exit(m, options)).toBe('     n-(wp)d-c-(e|)', values);
    m.expectSubscriptions(setServing.subscriptions).toBe('^-!');
    m.expectSubscriptions(drain.subscriptions).toBe('     ------^-!');
    m.expectSubscriptions(close.subscriptions).toBe('     --------^-!');
  });

  marble('with nothing to do it only waits', (m) => {
    m.expectObservable(exit(m, { waitMs: 5 })).toBe('(nwp)(dce|)', values);
  });

  marble('waits for the withdrawal of a registration that was made here', (m) => {
    const serving = m.cold(' --------|');
    const withdraw = m.cold('-----|');
    const registry = scriptedRegistry({ put: [m.cold('-(p|)')], renew: [m.cold('(t|)')], withdraw: [withdraw] });
    const options = { registration: registered(m, { ...registry }), setServing: () => serving, waitMs: 5 };
    // It is there from 1 on; not serving takes until 8, the withdrawal until 13, the wait until 18.
    m.expectObservable(exit(m, options).pipe(filter((step) => !step.startsWith('running')))).toBe(
      'n-------(wW)-p----(dce|)',
      values,
    );
    m.expectSubscriptions(withdraw.subscriptions).toBe('--------^----!');
  });

  marble('a registration that runs is unsubscribed from', (m) => {
    const registration = new Subscription();
    m.expectObservable(exit(m, { registration, waitMs: 5 })).toBe('(nwp)(dce|)', values);
    m.flush();
    expect(registration.closed).toBe(true);
  });

  marble('a step that fails is told, and the next one follows all the same', (m) => {
    const options: GracefulExitOptions = {
      ...{ waitMs: 7, setServing: () => throwError(() => down) },
      drain: () => {
        throw down;
      },
    };
    m.expectObservable(exit(m, options)).toBe('(nfwp)-(dgce|)', {
      ...{ ...values, f: 'notServing: script is down', g: 'draining: script is down' },
    });
  });

  marble('a drain that does not end is cut off', (m) => {
    const drain = m.cold('-');
    m.expectObservable(exit(m, { waitMs: 5, drain: () => drain })).toBe('(nwp)d--------(tce|)', {
      ...{ ...values, t: 'draining: draining did not end within 9 ms: the next step follows all the same' },
    });
    m.expectSubscriptions(drain.subscriptions).toBe('-----^--------!');
  });

  marble('unsubscribing stops it where it is, and withdraws what was registered here', (m) => {
    const drain = m.cold('-');
    const withdraw = m.cold('-|');
    const registry = scriptedRegistry({ put: [m.cold('-(p|)')], renew: [m.cold('(t|)')], withdraw: [withdraw] });
    const options = { registration: registered(m, registry), setServing: () => m.cold('-'), drain: () => drain };
    const steps$ = exit(m, options).pipe(filter((step) => !step.startsWith('running')));
    m.expectObservable(steps$, '^---!').toBe('n', values);
    m.expectSubscriptions(withdraw.subscriptions).toBe('----^!');
    m.expectSubscriptions(drain.subscriptions).toBe([]);
  });

  marble('a registration that can never work is an error', (m) => {
    const registry = scriptedRegistry({
      put: [m.cold('--#', undefined, new FleetError('UNIMPLEMENTED', 'read-only'))],
    });
    const options = { registration: registered(m, registry), signals: ['SIGUSR2'] as const };
    const error = new FleetError('UNIMPLEMENTED', 'read-only');
    m.expectObservable(exit(m, options)).toBe('r-#', { r: 'running: registering' }, error);
    m.flush();
    expect(process.listenerCount('SIGUSR2')).toBe(0);
  });

  marble('without its signal it stays', (m) => {
    m.expectObservable(exit(m, { signals: ['SIGUSR2'] }), '^ 9000m !').toBe('-');
    m.scheduler.schedule(() => expect(process.listenerCount('SIGUSR2')).toBe(1), 5);
    m.flush();
    expect(process.listenerCount('SIGUSR2')).toBe(0);
  });
});
