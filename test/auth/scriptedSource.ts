/** A source of credentials whose answers are scripted, one after another; the last of each kind is given again. */

import { defer, type Observable } from 'rxjs';
import type { CredentialSource, Grant } from '../../src/auth/credentialSource.js';

export function scriptedSource(script: {
  readonly authenticate: readonly Observable<Grant>[];
  readonly renew?: readonly Observable<Grant>[];
  readonly changes$?: Observable<unknown>;
}): CredentialSource {
  const take = (answers: readonly Observable<Grant>[]) => {
    let taken = 0;
    return () => defer(() => answers[Math.min(taken++, answers.length - 1)]!);
  };
  return {
    name: 'script',
    authenticate: take(script.authenticate),
    ...(script.renew && { renew: take(script.renew) }),
    ...(script.changes$ && { changes$: script.changes$ }),
  };
}
