/** What etcd's errors mean: each with the endpoint and the remedy, and told apart by what to do about them. */

import { FleetError } from '../../core/fleetError.js';

/** The error of a call to a member, in a sentence that says where and what to do. Holds no secret. */
export function etcdFailure(thrown: unknown, endpoint: string, user: string | undefined): FleetError {
  const error = FleetError.from(thrown);
  const said = error.detail.replace(/^etcdserver: /, '');
  const { sent } = error;
  const by = user === undefined ? 'without a user' : `as user "${user}"`;
  if (error.detail.includes('authentication failed')) {
    return new FleetError(
      'UNAUTHENTICATED',
      `etcd at ${endpoint} refuses the login of user "${user}": check the options user and password`,
      { sent },
    );
  }
  if (error.code === 'PERMISSION_DENIED') {
    return new FleetError(
      'PERMISSION_DENIED',
      `etcd at ${endpoint} denies it ${by} (${said}): grant a role with read and write permission for the keys`,
      { sent },
    );
  }
  if (error.detail.includes('user name is empty') && user === undefined) {
    return new FleetError(
      'UNAUTHENTICATED',
      `etcd at ${endpoint} asks for a user: give the options user and password`,
      { sent },
    );
  }
  const remedy = isUnreachable(error)
    ? 'check that it runs, is reachable, and has a leader'
    : error.code === 'UNAUTHENTICATED'
      ? 'check the user and its password'
      : error.remedy;
  return new FleetError(error.code, `etcd at ${endpoint}: ${said}: ${remedy}`, {
    sent,
    ...(thrown instanceof FleetError ? {} : { cause: thrown }),
  });
}

/** True when another member may well answer. */
export function isUnreachable({ code }: FleetError): boolean {
  return code === 'UNAVAILABLE' || code === 'DEADLINE_EXCEEDED';
}

/** True when the token has run out, or the member does not know it any more: authenticating anew mends that. */
export function isStaleToken({ code, detail }: FleetError): boolean {
  if (/invalid auth token|user name is empty|revision of auth store is old/.test(detail)) return true;
  return code === 'UNAUTHENTICATED' && !detail.includes('refuses the login');
}

/** True when a cluster has no users, and so gives no tokens. */
export function isAuthDisabled({ code, detail }: FleetError): boolean {
  return code === 'FAILED_PRECONDITION' && detail.includes('authentication is not enabled');
}

/** True when the revision that was asked for is compacted, or is not there yet because the store was reset. */
export function isLostRevision({ code }: FleetError): boolean {
  return code === 'OUT_OF_RANGE';
}
