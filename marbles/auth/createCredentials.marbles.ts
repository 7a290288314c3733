/** Credentials live ten seconds unless said: renewed from the eighth on, served until the ninth. */

import { map, mergeMap, timer, type Observable } from 'rxjs';
import { createCredentials, type CredentialsOptions } from '../../src/auth/createCredentials.js';
import type { CredentialEvent, Credentials } from '../../src/auth/credentials.js';
import type { CredentialSource, Grant } from '../../src/auth/credentialSource.js';
import { FleetError } from '../../src/core/fleetError.js';
import { marble, type MarbleHelpers } from '../../src/testing/marble.js';
import { scriptedSource } from '../../test/auth/scriptedSource.js';

const lives = (secret: string, seconds = 10): Grant => ({ secret, expiresInMs: seconds * 1_000 });
const grants = { a: lives('a'), b: lives('b'), c: lives('c') };
const down = new FleetError('UNAVAILABLE', 'script is down');
const refused = new FleetError('UNAUTHENTICATED', 'script refused the client');

function kept(m: MarbleHelpers, source: CredentialSource, options: CredentialsOptions = {}): Credentials {
  return createCredentials(source, { scheduler: m.scheduler, random: () => 0.5, ...options });
}
const secrets = ({ credential$ }: Credentials): Observable<string> => credential$.pipe(map(({ secret }) => secret));
/** Asks for a valid one at a time. */
const asked = (m: MarbleHelpers, credentials: Credentials, at: number): Observable<string> =>
  timer(at, m.scheduler).pipe(
    mergeMap(() => credentials.valid()),
    map(({ secret }) => secret),
  );
const replaced = (m: MarbleHelpers, credentials: Credentials, at: number): Observable<string> =>
  timer(at, m.scheduler).pipe(
    mergeMap(() => credentials.replacement(credentials.current!)),
    map(({ secret }) => secret),
  );

describe('createCredentials: credential$', () => {
  marble('is renewed before it ends, for as long as it is observed', (m) => {
    const first = m.cold(' (a|)', grants);
    const second = m.cold('--(b|)', grants);
    const source = scriptedSource({ authenticate: [first], renew: [second] });
    m.expectObservable(secrets(kept(m, source)), '^ 16s !').toBe('a 8001ms b');
    m.expectSubscriptions(first.subscriptions).toBe('             (^!)');
    m.expectSubscriptions(second.subscriptions).toBe('              8s ^-!');
  });

  marble('asks for nothing before somebody needs it', (m) => {
    const authenticate = m.cold('(a|)', grants);
    const credentials = kept(m, scriptedSource({ authenticate: [authenticate] }));
    expect(credentials.current).toBeUndefined();
    m.expectSubscriptions(authenticate.subscriptions).toBe([]);
  });

  marble('a source that never answers is asked again after its time, by backoff', (m) => {
    const authenticate = m.cold<Grant>('-');
    const credentials = kept(m, scriptedSource({ authenticate: [authenticate] }), { timeoutMs: 500 });
    m.expectObservable(secrets(credentials), '^ 2s !').toBe('-');
    m.expectSubscriptions(authenticate.subscriptions).toBe(['^ 499ms !', '1500ms ^ 499ms !']);
  });

  marble('stops with its last observer', (m) => {
    const authenticate = m.cold('(a|)', grants);
    const source = scriptedSource({ authenticate: [authenticate] });
    m.expectObservable(secrets(kept(m, source)), '^ 3s !').toBe('a');
    m.expectSubscriptions(authenticate.subscriptions).toBe('     (^!)');
  });

  marble('one request serves all observers, also those that come late', (m) => {
    const authenticate = m.cold('--(a|)', grants);
    const credentials = kept(m, scriptedSource({ authenticate: [authenticate] }));
    m.expectObservable(secrets(credentials), '^----!').toBe('--a--');
    m.expectObservable(secrets(credentials), '-^---!').toBe('--a--');
    m.expectObservable(secrets(credentials), '---^-!').toBe('---a--');
    m.expectSubscriptions(authenticate.subscriptions).toBe(' ^-!');
  });

  marble('a renewal that fails is followed by authenticating anew', (m) => {
    const authenticate = [m.cold('(a|)', grants), m.cold('-(b|)', grants)];
    const renew = m.cold<Grant>('-#', undefined, refused);
    m.expectObservable(secrets(kept(m, scriptedSource({ authenticate, renew: [renew] }))), '^ 9s !').toBe('a 8001ms b');
    m.expectSubscriptions(renew.subscriptions).toBe('               8s ^!');
    m.expectSubscriptions(authenticate[1]!.subscriptions).toBe('           8001ms ^!');
  });

  marble('when all fails the old one stays, and the next tries come by backoff', (m) => {
    const failing = m.cold<Grant>('#', undefined, down);
    const authenticate = [m.cold('(a|)', grants), failing, failing, m.cold('(b|)', grants)];
    const credentials = kept(m, scriptedSource({ authenticate }), { backoff: { backoffMultiplier: 2 } });
    // At 8 s and 9 s in vain; the third try comes two seconds later.
    m.expectObservable(secrets(credentials), '^ 12s !').toBe('a 10999ms b');
    m.expectSubscriptions(failing.subscriptions).toBe(['8s (^!)', '9s (^!)']);
  });

  marble('a source that refuses us is the error, when nothing valid is left', (m) => {
    const authenticate = m.cold<Grant>('-#', undefined, refused);
    m.expectObservable(secrets(kept(m, scriptedSource({ authenticate: [authenticate] })))).toBe(
      '-#',
      undefined,
      refused,
    );
  });

  marble('a source that refuses us later does not take away what is still valid', (m) => {
    const authenticate = [m.cold('(a|)', grants), m.cold<Grant>('#', undefined, refused)];
    const credentials = kept(m, scriptedSource({ authenticate }));
    // Tried in vain at 8 s; at 9 s nothing is valid any more.
    m.expectObservable(secrets(credentials)).toBe('a 8999ms #', undefined, refused);
  });

  marble('one that does not end is asked for once', (m) => {
    const authenticate = m.cold('(a|)', { a: { secret: 'a' } });
    m.expectObservable(secrets(kept(m, scriptedSource({ authenticate: [authenticate] }))), '^ 9000m !').toBe('a');
    m.expectSubscriptions(authenticate.subscriptions).toBe('(^!)');
  });

  marble('one that lives no time at all is not asked for more than once a second', (m) => {
    const authenticate = m.cold('(a|)', { a: lives('a', 0) });
    const credentials = kept(m, scriptedSource({ authenticate: [authenticate] }));
    m.expectObservable(secrets(credentials), '^ 2500ms !').toBe('a 999ms a 999ms a');
    m.expectSubscriptions(authenticate.subscriptions).toBe(['(^!)', '1s (^!)', '2s (^!)']);
  });

  marble('one that lives a day is renewed five minutes before the end', (m) => {
    const authenticate = [m.cold('(a|)', { a: lives('a', 86_400) }), m.cold('(b|)', { b: lives('b', 86_400) })];
    m.expectObservable(secrets(kept(m, scriptedSource({ authenticate }))), '^ 1439m !').toBe('a 86099999ms b');
  });

  marble('what the source has anew is taken at once', (m) => {
    const authenticate = [m.cold('(a|)', { a: { secret: 'a' } }), m.cold('-(b|)', { b: { secret: 'b' } })];
    const changes$ = m.hot('---x----');
    m.expectObservable(secrets(kept(m, scriptedSource({ authenticate, changes$ }))), '^------!').toBe('a---b---');
  });

  marble('what changed while a request ran is asked for again', (m) => {
    const authenticate = [m.cold('---(a|)', { a: { secret: 'a' } }), m.cold('---(b|)', { b: { secret: 'b' } })];
    const changes$ = m.hot('-x------');
    m.expectObservable(secrets(kept(m, scriptedSource({ authenticate, changes$ }))), '^------!').toBe('---a--b-');
  });

  marble('the same one again is no news', (m) => {
    const authenticate = [m.cold('(a|)', { a: { secret: 'a' } })];
    const changes$ = m.hot('---x----');
    m.expectObservable(secrets(kept(m, scriptedSource({ authenticate, changes$ }))), '^------!').toBe('a-------');
  });
});

describe('createCredentials: valid()', () => {
  marble('one request is in flight, whoever waits, and it outlives those who leave', (m) => {
    const authenticate = m.cold('----(a|)', grants);
    const credentials = kept(m, scriptedSource({ authenticate: [authenticate] }));
    m.expectObservable(asked(m, credentials, 0), '^-!').toBe('---');
    m.expectObservable(asked(m, credentials, 1)).toBe('      ----(a|)');
    m.expectObservable(asked(m, credentials, 3)).toBe('      ----(a|)');
    m.expectObservable(asked(m, credentials, 9)).toBe('      ---------(a|)');
    m.expectSubscriptions(authenticate.subscriptions).toBe(' ^---!');
  });

  marble('without observers a renewal starts when somebody asks, who gets the old one at once', (m) => {
    const authenticate = [m.cold('(a|)', grants), m.cold('--(b|)', grants)];
    const credentials = kept(m, scriptedSource({ authenticate }));
    m.expectObservable(asked(m, credentials, 0)).toBe('              (a|)');
    m.expectObservable(asked(m, credentials, 8_500)).toBe('  8500ms (a|)');
    m.expectObservable(asked(m, credentials, 8_501)).toBe('  8501ms (a|)');
    m.expectObservable(asked(m, credentials, 8_503)).toBe('  8503ms (b|)');
    m.expectSubscriptions(authenticate[1]!.subscriptions).toBe('8500ms ^-!');
  });

  marble('one that ends within the tenth of its life is not sent out any more', (m) => {
    const authenticate = [m.cold('(a|)', grants), m.cold('-(b|)', grants)];
    const credentials = kept(m, scriptedSource({ authenticate }));
    m.expectObservable(asked(m, credentials, 0)).toBe('(a|)');
    m.expectObservable(asked(m, credentials, 9_000)).toBe('9001ms (b|)');
  });

  marble('after a failure the answer is that failure, until the backoff is over', (m) => {
    const authenticate = [m.cold<Grant>('-#', undefined, down), m.cold('-(b|)', grants)];
    const credentials = kept(m, scriptedSource({ authenticate }));
    m.expectObservable(asked(m, credentials, 0)).toBe('    -#', undefined, down);
    m.expectObservable(asked(m, credentials, 500)).toBe('  500ms #', undefined, down);
    m.expectObservable(asked(m, credentials, 1_001)).toBe('1002ms (b|)');
    m.expectSubscriptions(authenticate[1]!.subscriptions).toBe('1001ms ^!');
  });

  marble('while a renewal fails the old one is served, and asked for no more than the backoff allows', (m) => {
    const failing = m.cold<Grant>('#', undefined, down);
    const credentials = kept(m, scriptedSource({ authenticate: [m.cold('(a|)', grants), failing] }));
    m.expectObservable(asked(m, credentials, 0)).toBe('(a|)');
    for (const at of [8_000, 8_100, 8_900]) m.expectObservable(asked(m, credentials, at)).toBe(`${at}ms (a|)`);
    m.expectSubscriptions(failing.subscriptions).toBe('8s (^!)');
  });

  marble('an unknown failure counts as one that may pass, without its cause', (m) => {
    const authenticate = m.cold<Grant>('#', undefined, new Error('boom'));
    const error = new FleetError('UNAVAILABLE', 'script gave no credential: boom');
    m.expectObservable(asked(m, kept(m, scriptedSource({ authenticate: [authenticate] })), 0)).toBe(
      '#',
      undefined,
      error,
    );
  });

  marble('an empty one is no credential, nor is an answer without one', (m) => {
    const empty = new FleetError('UNAVAILABLE', 'script gave an empty credential: look at the source of it');
    const none = new FleetError('UNAVAILABLE', 'script ended without a credential');
    const source = (diagram: string) => scriptedSource({ authenticate: [m.cold(diagram, { a: { secret: '' } })] });
    m.expectObservable(asked(m, kept(m, source('(a|)')), 0)).toBe('#', undefined, empty);
    m.expectObservable(asked(m, kept(m, source('|')), 0)).toBe('#', undefined, none);
  });

  marble('a life that is no number is a failure, and one under nothing is none', (m) => {
    const source = (expiresInMs: number) =>
      scriptedSource({ authenticate: [m.cold('(a|)', { a: { secret: 'x', expiresInMs } })] });
    const error = new FleetError('UNAVAILABLE', 'script gave a time that is no number: look at the source of it');
    m.expectObservable(asked(m, kept(m, source(NaN)), 0)).toBe('#', undefined, error);
    m.expectObservable(asked(m, kept(m, source(-5)), 0)).toBe('(x|)');
  });

  marble('closed, it asks for nothing more', (m) => {
    const authenticate = m.cold('----(a|)', grants);
    const credentials = kept(m, scriptedSource({ authenticate: [authenticate] }));
    m.scheduler.schedule(() => credentials.close(), 2);
    const error = new FleetError('CLOSED', 'the credentials were closed: create new ones');
    m.expectObservable(secrets(credentials)).toBe('        --|');
    m.expectObservable(asked(m, credentials, 1)).toBe('     --#', undefined, error);
    m.expectObservable(asked(m, credentials, 5)).toBe('     -----#', undefined, error);
    m.expectSubscriptions(authenticate.subscriptions).toBe('^-!');
  });
});

describe('createCredentials: replacement()', () => {
  marble('a refused one is replaced by authenticating anew, once for all who were refused', (m) => {
    const authenticate = [m.cold('(a|)', grants), m.cold('---(b|)', grants)];
    const renew = m.cold<Grant>('-');
    const credentials = kept(m, scriptedSource({ authenticate, renew: [renew] }));
    m.expectObservable(asked(m, credentials, 0)).toBe('   (a|)');
    m.expectObservable(replaced(m, credentials, 2)).toBe('-----(b|)');
    // Who asks meanwhile waits too: the refused one is no use.
    m.expectObservable(asked(m, credentials, 3)).toBe('   -----(b|)');
    m.expectSubscriptions(authenticate[1]!.subscriptions).toBe('--^--!');
    m.expectSubscriptions(renew.subscriptions).toBe([]);
  });

  marble('who was refused with an older one gets the newer one, without a request', (m) => {
    const authenticate = m.cold('(b|)', grants);
    const credentials = kept(m, scriptedSource({ authenticate: [authenticate] }));
    const older = { secret: 'a', scheme: 'Bearer', expiresAt: Infinity };
    m.expectObservable(asked(m, credentials, 0)).toBe('(b|)');
    const replaced$ = timer(2, m.scheduler).pipe(mergeMap(() => credentials.replacement(older)));
    m.expectObservable(replaced$.pipe(map(({ secret }) => secret))).toBe('--(b|)');
    m.expectSubscriptions(authenticate.subscriptions).toBe('(^!)');
  });

  marble('a replacement that is refused within a second is not replaced: no loop', (m) => {
    const authenticate = [m.cold('(a|)', grants), m.cold('(b|)', grants), m.cold('(c|)', grants)];
    const credentials = kept(m, scriptedSource({ authenticate }));
    m.expectObservable(asked(m, credentials, 0)).toBe('        (a|)');
    m.expectObservable(replaced(m, credentials, 2)).toBe('     --(b|)');
    const message =
      'a credential of script was refused, as was the one before it a moment ago: ' +
      'check what it allows, and the clock of the node';
    m.expectObservable(replaced(m, credentials, 4)).toBe(
      '     ----#',
      undefined,
      new FleetError('UNAUTHENTICATED', message),
    );
    m.expectObservable(replaced(m, credentials, 1_002)).toBe(' 1002ms (c|)');
  });

  marble('when there is no other to be had, the refused one is served again: perhaps one node is wrong', (m) => {
    const authenticate = [m.cold('(a|)', grants), m.cold<Grant>('-#', undefined, down)];
    const credentials = kept(m, scriptedSource({ authenticate }));
    m.expectObservable(asked(m, credentials, 0)).toBe('   (a|)');
    m.expectObservable(replaced(m, credentials, 2)).toBe('---#', undefined, down);
    m.expectObservable(asked(m, credentials, 4)).toBe('   ----(a|)');
  });
});

describe('createCredentials: clocks that differ', () => {
  const lifeOf = (m: MarbleHelpers, grant: Grant, options: CredentialsOptions = {}): Observable<number> =>
    kept(m, scriptedSource({ authenticate: [m.cold('(a|)', { a: grant })] }), options).credential$.pipe(
      map(({ expiresAt }) => expiresAt),
    );

  marble('a life that is told counts from our own clock', (m) => {
    const grant = { secret: 'a', expiresInMs: 10_000, expiresAt: 1e12, issuedAt: 5 };
    m.expectObservable(lifeOf(m, grant), '^!').toBe('x', { x: 10_000 });
  });

  marble('of an issuer that tells both ends by its clock only the difference counts', (m) => {
    m.expectObservable(lifeOf(m, { secret: 'a', expiresAt: 1e12 + 10_000, issuedAt: 1e12 }), '^!').toBe('x', {
      x: 10_000,
    });
  });

  marble('an end by the clock of the issuer alone is taken with an allowance', (m) => {
    m.expectObservable(lifeOf(m, { secret: 'a', expiresAt: 3_600_000 }), '^!').toBe('x', { x: 3_570_000 });
    m.expectObservable(lifeOf(m, { secret: 'a', expiresAt: 10_000 }), '^!').toBe('x', { x: 8_000 });
    m.expectObservable(lifeOf(m, { secret: 'a', expiresAt: 10_000 }, { clockSkewMs: 0 }), '^!').toBe('x', {
      x: 10_000,
    });
  });

  marble('one that has just come and has ended by our clock is used all the same, and the clocks are reported', (m) => {
    const events: CredentialEvent[] = [];
    const life$ = lifeOf(m, { secret: 'a', expiresAt: -5 }, { onEvent: (event) => events.push(event) });
    m.expectObservable(life$, '^!').toBe('x', { x: 60_000 });
    m.flush();
    expect(events.map(({ type }) => type)).toEqual(['skewed', 'authenticated']);
  });
});
