/** The life of one node in Consul, as requests to its agent. */

import { concat, defer, ignoreElements, map, of, type Observable } from 'rxjs';
import { FleetError } from '../../core/fleetError.js';
import type { Node } from '../../core/node.js';
import { failureOf } from '../../discovery/consul/failure.js';
import type { ConsulAnswer, ConsulHttp, ConsulRequest } from '../../discovery/consul/http.js';
import type { ConsulLayout } from '../../discovery/consul/layout.js';
import type { Lease } from '../registry.js';
import { duration, type ConsulCheckPlan } from './consulCheck.js';

export interface PutInConsulOptions {
  readonly http: ConsulHttp;
  readonly layout: ConsulLayout;
  readonly check: ConsulCheckPlan;
  readonly deregisterAfterMs: number;
}

/** What agents say of a check or a service that they do not have: 404 of newer ones, 500 of older ones. */
const unknown = /unknown (?:check|service)|does not have associated TTL/i;

/** Registers the node; emits its lease once its check passes, and completes. */
export function putInConsul(node: Node, options: PutInConsulOptions): Observable<Lease> {
  const { http, layout, check, deregisterAfterMs } = options;
  const key = layout.write(node).ID;
  const checkId = `service:${key}`;
  const ttlMs = check.ttlMs ?? Infinity;

  const register = (registered: Node): Observable<never> =>
    defer(() => {
      const body = {
        ...layout.write(registered),
        Check: {
          CheckID: checkId,
          ...check.payload(registered),
          DeregisterCriticalServiceAfter: duration(deregisterAfterMs),
        },
      };
      if (body.ID !== key) {
        throw new FleetError(
          'INVALID_OPTION',
          `consul: the id of a registered node cannot change from "${key}" to "${body.ID}"`,
        );
      }
      const query = { 'replace-existing-checks': 'true' };
      return done({ method: 'PUT', path: '/v1/agent/service/register', query, body }, `the registration of "${key}"`);
    });
  // A check with a TTL starts out critical, and readers would not see the node until the first heartbeat.
  const put = (registered: Node): Observable<never> =>
    check.ttlMs === undefined ? register(registered) : concat(register(registered), defer(pass));
  const pass = (): Observable<never> =>
    done({ method: 'PUT', path: `/v1/agent/check/pass/${encodeURIComponent(checkId)}` }, `the heartbeat of "${key}"`);
  const look = (): Observable<never> =>
    done({ method: 'GET', path: `/v1/agent/service/${encodeURIComponent(key)}` }, `the question for "${key}"`);
  const done = (request: ConsulRequest, doing: string, isFine = (_: ConsulAnswer) => false): Observable<never> =>
    http(request).pipe(
      map((answer) => {
        if (answer.status === 200 || isFine(answer)) return;
        if (isUnknown(answer)) {
          throw new FleetError(
            'NOT_FOUND',
            `consul at ${http.endpoint} does not know "${key}" any more; register it again`,
          );
        }
        throw failureOf(http, doing, answer);
      }),
      ignoreElements(),
    );

  const heartbeat = check.ttlMs === undefined ? look : pass;
  const lease: Lease = {
    key,
    ttlMs,
    renew: () => concat(defer(heartbeat), of(ttlMs)),
    update: put,
    withdraw: () =>
      defer(() => {
        const path = `/v1/agent/service/deregister/${encodeURIComponent(key)}`;
        return done({ method: 'PUT', path }, `the withdrawal of "${key}"`, isUnknown);
      }),
  };
  return concat(put(node), of(lease));
}

function isUnknown({ status, text }: ConsulAnswer): boolean {
  return status === 404 || (status === 500 && unknown.test(text));
}
