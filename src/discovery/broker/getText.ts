/** One HTTP request, as an Observable: unsubscribing ends it. */

import { request as requestPlain, type ClientRequest } from 'node:http';
import { request as requestTls } from 'node:https';
import { asyncScheduler, Observable, timeout, type SchedulerLike } from 'rxjs';
import type { FleetErrorCode } from '../../core/errorCodes.js';
import { FleetError } from '../../core/fleetError.js';

export interface GetTextOptions {
  readonly headers?: Readonly<Record<string, string>>;
  /** Options of `tls.connect`. */
  readonly tls?: Readonly<Record<string, unknown>>;
  readonly timeoutMs: number;
  readonly scheduler?: SchedulerLike;
}

/** No broker lists so much. */
const maxBytes = 16 * 2 ** 20;

/** The error code that an HTTP status means. */
export function codeOfStatus(status: number): FleetErrorCode {
  if (status === 401) return 'UNAUTHENTICATED';
  if (status === 403) return 'PERMISSION_DENIED';
  return 'UNAVAILABLE';
}

/** The body of a 200. Errors as `UNAVAILABLE`, `UNAUTHENTICATED`, `PERMISSION_DENIED`, or `DEADLINE_EXCEEDED` in time. */
export function getText(url: string, options: GetTextOptions): Observable<string> {
  const { headers = {}, tls = {}, timeoutMs, scheduler = asyncScheduler } = options;
  const answer$ = new Observable<string>((subscriber) => {
    const fail = (code: FleetErrorCode, message: string, cause?: unknown) =>
      subscriber.error(new FleetError(code, `GET /v1/nodes ${message}`, { cause }));
    const open = url.startsWith('https:') ? requestTls : requestPlain;
    const request: ClientRequest = open(url, { headers, agent: false, ...tls }, (response) => {
      const { statusCode = 0 } = response;
      if (statusCode !== 200) return fail(codeOfStatus(statusCode), `was answered with HTTP ${statusCode}`);
      const parts: Buffer[] = [];
      let bytes = 0;
      response.on('data', (part: Buffer) => {
        parts.push(part);
        if ((bytes += part.length) > maxBytes) fail('UNAVAILABLE', `gave more than ${maxBytes} bytes`);
      });
      response.on('error', (error) => fail('UNAVAILABLE', `broke off: ${error.message}`, error));
      response.on('end', () => {
        subscriber.next(Buffer.concat(parts).toString('utf8'));
        subscriber.complete();
      });
    });
    request.on('error', (error) => fail('UNAVAILABLE', `failed: ${error.message}`, error));
    request.end();
    return () => request.destroy();
  });
  const late = () => {
    throw new FleetError('DEADLINE_EXCEEDED', `GET /v1/nodes was not answered within ${timeoutMs} ms`);
  };
  return answer$.pipe(timeout({ first: timeoutMs, with: late, scheduler }));
}
