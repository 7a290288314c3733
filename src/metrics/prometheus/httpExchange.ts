/** One HTTP request as an Observable: unsubscribing aborts it. */

import { defer, Observable, throwError, timeout, type SchedulerLike } from 'rxjs';
import type { FleetErrorCode } from '../../core/errorCodes.js';
import { FleetError } from '../../core/fleetError.js';
import { requireOption } from '../../core/requireOption.js';

/** What every request has, such as `authorization`; a function is asked each time, for what rotates. */
export type HttpHeaders = Readonly<Record<string, string>> | (() => Readonly<Record<string, string>>);

export interface HttpRequest {
  /** Who is asked, for messages. */
  readonly who: string;
  readonly method: string;
  readonly url: string;
  readonly headers: HttpHeaders;
  readonly contentType?: string;
  readonly body?: string;
  readonly timeoutMs: number;
}

export interface HttpAnswer {
  readonly status: number;
  readonly text: string;
}

/** No answer that we ask for is so long. */
const maxBytes = 32 * 2 ** 20;

/**
 * The address of a server as it is used for requests: without a slash at the end.
 *
 * @throws FleetError `INVALID_OPTION` when it is no HTTP URL, or one with more than an address and a path in it.
 */
export function requireHttpUrl(url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  const http = parsed?.protocol === 'http:' || parsed?.protocol === 'https:';
  // What may hold a password is not repeated.
  const shown = String(url).includes('@') ? '…' : url;
  requireOption(!parsed?.username && !parsed?.password, 'url', 'without a user: give headers instead', shown);
  const bare = http && !parsed!.search && !parsed!.hash;
  requireOption(bare, 'url', 'http://host:port or https://host:port, a path at most', shown);
  return parsed!.href.replace(/\/+$/, '');
}

/**
 * Emits the answer, whatever its status, and completes. Redirects are not followed, since what is in the headers would
 * go with them.
 *
 * Errors: `UNAVAILABLE` when there is no answer, `DEADLINE_EXCEEDED` when there is none in time.
 */
export function httpExchange(request: HttpRequest, scheduler: SchedulerLike): Observable<HttpAnswer> {
  const { who, method, url, headers, contentType, body, timeoutMs } = request;
  return defer(() => {
    const own = typeof headers === 'function' ? headers() : headers;
    const all = { ...(contentType ? { 'content-type': contentType } : {}), ...own };
    const abort = new AbortController();
    const init: RequestInit = { method, headers: all, redirect: 'manual', signal: abort.signal };
    if (body !== undefined) init.body = body;
    return new Observable<HttpAnswer>((subscriber) => {
      fetch(url, init)
        .then(async (response) => {
          const text = await textOf(response);
          subscriber.next({ status: response.status, text });
          subscriber.complete();
        })
        .catch((thrown: unknown) => subscriber.error(unreachable(who, thrown)));
      return () => abort.abort();
    });
  }).pipe(
    timeout({
      first: timeoutMs,
      scheduler,
      with: () =>
        throwError(
          () =>
            new FleetError('DEADLINE_EXCEEDED', `${who} gave no answer within ${timeoutMs} ms; look why it is slow`),
        ),
    }),
  );
}

/** The error that a status means; undefined when it is none. */
export function refusalOf(who: string, { status, text }: HttpAnswer): FleetError | undefined {
  if (status >= 200 && status < 300) return undefined;
  const line = text.trim().split('\n')[0]!.slice(0, 300);
  return new FleetError(codes[status] ?? 'UNAVAILABLE', `${who} answered HTTP ${status}${line ? `: ${line}` : ''}`);
}

const codes: Readonly<Record<number, FleetErrorCode>> = {
  400: 'INVALID_ARGUMENT',
  401: 'UNAUTHENTICATED',
  403: 'PERMISSION_DENIED',
  404: 'NOT_FOUND',
  422: 'INVALID_ARGUMENT',
};

async function textOf(response: Response): Promise<string> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    parts.push(part);
    if ((bytes += part.length) > maxBytes) throw new Error(`the answer has more than ${maxBytes} bytes`);
  }
  return Buffer.concat(parts).toString();
}

/** fetch says only that it failed; what failed is its cause, or one of several. */
function unreachable(who: string, thrown: unknown): FleetError {
  if (thrown instanceof FleetError) return thrown;
  const { cause } = thrown as { cause?: unknown };
  const inner = cause instanceof AggregateError ? cause.errors[0] : (cause ?? thrown);
  const { code, message } = inner as { code?: string; message?: string };
  return new FleetError('UNAVAILABLE', `${who} cannot be reached: ${message || code || String(inner)}`, {
    cause: thrown,
  });
}
