import { catchError, ignoreElements, map, merge, mergeMap, of, timer, type Observable } from 'rxjs';
import type { FleetError } from '../../src/core/fleetError.js';
import { methodOf } from '../../src/core/method.js';
import { RegistryService } from '../../src/gen/aio/registry_pb.js';
import { marble, type MarbleHelpers } from '../../src/testing/marble.js';
import { drawnAio, tokenOf, type Answer } from './drawnAio.js';

/** `A` authenticate, `R` renew, `L` a call. */
const lettered = map((name: string) => name[0]!);
const granted =
  (lifeSeconds: number): Answer =>
  (n) => ({ accessToken: tokenOf(`t${n}`, lifeSeconds), expiresAt: 0n, tokenType: 'Bearer' });
const list = methodOf(RegistryService.method.listServices);

/** What arrives at the server while the credential is observed. */
function observed({ scheduler }: MarbleHelpers, answers: Readonly<Record<string, Answer>>): Observable<string> {
  const { access, arrived$ } = drawnAio(scheduler, answers);
  return merge(arrived$.pipe(lettered), access.credentials!.credential$.pipe(ignoreElements()));
}

describe('the credential of AIO', () => {
  marble('is renewed 300 s before its end', (helpers) => {
    const answers = { AuthenticateClient: granted(3_600), RenewToken: granted(3_600) };
    // The life counts from the arrival of the answer, two frames later, less the second that `iat` may be early.
    helpers.expectObservable(observed(helpers, answers), '^ 6700s !').toBe('A 3299001ms R 3299001ms R');
  });

  marble('is renewed a fifth of its life before its end when it is short-lived, not at every call', (helpers) => {
    const answers = { AuthenticateClient: granted(100), RenewToken: granted(100) };
    helpers.expectObservable(observed(helpers, answers), '^ 161s !').toBe('A 79201ms R 79201ms R');
  });

  marble('is had anew by key and secret when its renewal is refused', (helpers) => {
    const answers = { AuthenticateClient: granted(100), RenewToken: () => 'PERMISSION_DENIED' };
    helpers.expectObservable(observed(helpers, answers), '^ 81s !').toBe('A 79201ms R-A');
  });

  marble('is asked for once, however many calls wait for it', (helpers) => {
    const { scheduler, expectObservable } = helpers;
    const { access, arrived$ } = drawnAio(scheduler);
    const calls$ = timer(0, 1, scheduler).pipe(mergeMap(() => access.call(list, list.message({}))));
    const seen$ = merge(arrived$.pipe(lettered), calls$.pipe(ignoreElements()));
    // Two have waited, and go on with the third once it is there.
    expectObservable(seen$, '^--!').toBe('A-(LLL)');
  });

  marble('is replaced once when it is refused, and the call is made once more, never in a loop', (helpers) => {
    const { scheduler, expectObservable } = helpers;
    const { access, arrived$ } = drawnAio(scheduler, { ListServices: () => 'UNAUTHENTICATED' });
    const call$ = access.call(list, list.message({})).pipe(
      map(() => 'answered'),
      catchError((error: FleetError) => of(error.code)),
    );
    const seen$ = merge(arrived$.pipe(lettered), call$);
    expectObservable(seen$, '^ 50ms !').toBe('A-L-A-L-u', { A: 'A', L: 'L', u: 'UNAUTHENTICATED' });
  });
});
