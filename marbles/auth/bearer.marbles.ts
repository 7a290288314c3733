import { map, tap, type Observable } from 'rxjs';
import { bearer, type BearerOptions } from '../../src/auth/bearer.js';
import { createCredentials } from '../../src/auth/createCredentials.js';
import type { CredentialSource, Grant } from '../../src/auth/credentialSource.js';
import { staticCredential } from '../../src/auth/staticCredential.js';
import { Call, type CallOptions } from '../../src/call/call.js';
import type { Handler } from '../../src/call/middleware.js';
import { FleetError } from '../../src/core/fleetError.js';
import { marble, type MarbleHelpers } from '../../src/testing/marble.js';
import { scriptedSource } from '../../test/auth/scriptedSource.js';

const grants: Record<string, Grant> = { a: { secret: 'a' }, b: { secret: 'b' }, c: { secret: 'c' } };
const refused = new FleetError('UNAUTHENTICATED', 'the node does not take it');
const down = new FleetError('UNAVAILABLE', 'the node is down');

/** A call that runs the attempt whose header it carries: `Bearer a` the one under `a`. */
function call(
  m: MarbleHelpers,
  source: CredentialSource,
  attempts: Record<string, Observable<string>>,
  options: CallOptions & BearerOptions = {},
): Observable<string> {
  const credentials = createCredentials(source, { scheduler: m.scheduler, random: () => 0.5 });
  const { header = 'authorization' } = options;
  const node: Handler<unknown> = (running) => attempts[String(running.metadata?.[header])] as never;
  const handler = bearer(credentials, { header, scheduler: m.scheduler })(node);
  return handler(
    new Call<unknown, string>({
      ...{ name: 'call', start: () => null as never, options, single: false, idempotent: false },
      ...{ startedAt: 0, demand: undefined },
    }),
  );
}

describe('bearer', () => {
  marble('a call carries the credential', (m) => {
    const attempt = m.cold('-x-y|');
    const authenticate = m.cold('(a|)', grants);
    m.expectObservable(call(m, scriptedSource({ authenticate: [authenticate] }), { 'Bearer a': attempt })).toBe(
      '-x-y|',
    );
    m.expectSubscriptions(attempt.subscriptions).toBe('^---!');
  });

  marble('a call waits until there is one', (m) => {
    const attempt = m.cold('-x|');
    const source = scriptedSource({ authenticate: [m.cold('---(a|)', grants)] });
    m.expectObservable(call(m, source, { 'Bearer a': attempt })).toBe('----x|');
    m.expectSubscriptions(attempt.subscriptions).toBe('         ---^-!');
  });

  marble('a call that gives up waiting never reaches a node', (m) => {
    const attempt = m.cold('-x|');
    const source = scriptedSource({ authenticate: [m.cold('---(a|)', grants)] });
    m.expectObservable(call(m, source, { 'Bearer a': attempt }), '^-!').toBe('---');
    m.expectSubscriptions(attempt.subscriptions).toBe([]);
  });

  marble('a call waits no longer than its deadline', (m) => {
    const source = scriptedSource({ authenticate: [m.cold('-')] });
    const message = 'call had no valid credential within 5 ms: look at the source of the credential';
    const error = new FleetError('DEADLINE_EXCEEDED', message, { sent: false });
    m.expectObservable(call(m, source, {}, { deadlineMs: 5 })).toBe('-----#', undefined, error);
  });

  marble('without a credential the error is that of its source', (m) => {
    const source = scriptedSource({ authenticate: [m.cold('-#', undefined, refused)] });
    m.expectObservable(call(m, source, {})).toBe('-#', undefined, refused);
  });

  marble('refused by the node, it is run once more with another credential', (m) => {
    const first = m.cold(' -#', undefined, refused);
    const second = m.cold('-x|');
    const source = scriptedSource({ authenticate: [m.cold('(a|)', grants), m.cold('--(b|)', grants)] });
    m.expectObservable(call(m, source, { 'Bearer a': first, 'Bearer b': second })).toBe('----x|');
    m.expectSubscriptions(first.subscriptions).toBe(' ^!');
    m.expectSubscriptions(second.subscriptions).toBe('---^-!');
  });

  marble('refused again, it is an error: never a third try', (m) => {
    const attempt = m.cold('-#', undefined, refused);
    const third = m.cold('  -x|');
    const authenticate = ['(a|)', '(b|)', '(c|)'].map((diagram) => m.cold(diagram, grants));
    const attempts = { 'Bearer a': attempt, 'Bearer b': attempt, 'Bearer c': third };
    m.expectObservable(call(m, scriptedSource({ authenticate }), attempts)).toBe('--#', undefined, refused);
    m.expectSubscriptions(attempt.subscriptions).toBe(['^!', '-^!']);
    m.expectSubscriptions(third.subscriptions).toBe([]);
    m.expectSubscriptions(authenticate[2]!.subscriptions).toBe([]);
  });

  marble('a stream that has spoken is not run again', (m) => {
    const attempt = m.cold('-x-#', undefined, refused);
    const authenticate = [m.cold('(a|)', grants), m.cold('(b|)', grants)];
    m.expectObservable(call(m, scriptedSource({ authenticate }), { 'Bearer a': attempt })).toBe(
      '-x-#',
      undefined,
      refused,
    );
    m.expectSubscriptions(authenticate[1]!.subscriptions).toBe([]);
  });

  marble('when no other is to be had, the error is what the node said', (m) => {
    const attempt = m.cold('-#', undefined, refused);
    const failing = scriptedSource({ authenticate: [m.cold('(a|)', grants), m.cold('-#', undefined, down)] });
    m.expectObservable(call(m, failing, { 'Bearer a': attempt })).toBe('--#', undefined, refused);
    const same = staticCredential('s');
    m.expectObservable(call(m, same, { 'Bearer s': attempt })).toBe('-#', undefined, refused);
    m.expectSubscriptions(attempt.subscriptions).toBe(['^!', '^!']);
  });

  marble('another error passes, and costs no credential', (m) => {
    const authenticate = m.cold('(a|)', grants);
    const attempts = { 'Bearer a': m.cold('-#', undefined, down) };
    m.expectObservable(call(m, scriptedSource({ authenticate: [authenticate] }), attempts)).toBe('-#', undefined, down);
    m.expectSubscriptions(authenticate.subscriptions).toBe('(^!)');
  });

  marble('an endless stream is cancelled when it is left', (m) => {
    const attempt = m.cold('x-x-x-x-');
    const source = scriptedSource({ authenticate: [m.cold('(a|)', grants)] });
    m.expectObservable(call(m, source, { 'Bearer a': attempt }), '^---!').toBe('x-x-');
    m.expectSubscriptions(attempt.subscriptions).toBe('^---!');
  });

  marble('a call that brings the header itself passes untouched', (m) => {
    const authenticate = m.cold('(a|)', grants);
    const metadata = { authorization: 'Bearer mine' };
    const source = scriptedSource({ authenticate: [authenticate] });
    m.expectObservable(call(m, source, { 'Bearer mine': m.cold('x|') }, { metadata })).toBe('x|');
    m.expectSubscriptions(authenticate.subscriptions).toBe([]);
  });

  marble('scheme and header are as said, and the rest of the metadata stays', (m) => {
    const seen: unknown[] = [];
    const credentials = createCredentials(staticCredential('key', { scheme: '' }), { scheduler: m.scheduler });
    const node: Handler<unknown> = (running) => m.cold('x|').pipe(tap(() => seen.push(running.metadata))) as never;
    const running = new Call<unknown, string>({
      ...{ name: 'call', start: () => null as never, options: { metadata: { 'x-tenant': 't' } }, single: true },
      ...{ idempotent: false, startedAt: 0, demand: undefined },
    });
    const call$ = bearer(credentials, { header: 'x-api-key', scheduler: m.scheduler })(node)(running);
    m.expectObservable(call$.pipe(map(() => 'x'))).toBe('x|');
    m.flush();
    expect(seen).toEqual([{ 'x-tenant': 't', 'x-api-key': 'key' }]);
  });
});
