/** Credentials of OAuth 2 for a program by itself: the client credentials grant (RFC 6749, 4.4). */

import { catchError, defer, finalize, from, map, mergeMap, throwError, type Observable } from 'rxjs';
import { FleetError } from '../core/fleetError.js';
import type { FleetErrorCode } from '../core/errorCodes.js';
import { requireOption } from '../core/requireOption.js';
import type { CredentialSource, Grant } from './credentialSource.js';
import { redacted } from './redacted.js';

export interface OauthClientCredentialsOptions {
  /** The token endpoint. Must be `https:`, or on this machine. */
  readonly tokenUrl: string;
  readonly clientId: string;
  readonly clientSecret: string;
  /** The rights to ask for. Default: those that the server gives by default. */
  readonly scope?: string | readonly string[];
  /** More fields of the request, such as `audience` or `resource`. */
  readonly fields?: Readonly<Record<string, string>>;
  /** How the client shows who it is: by HTTP Basic, as every server must understand, or in the body. Default `basic`. */
  readonly clientAuthentication?: 'basic' | 'body';
  /** Allows a `tokenUrl` without TLS on another machine. Default false. */
  readonly insecure?: boolean;
  /** Default the global `fetch`. */
  readonly fetch?: typeof globalThis.fetch;
}

/**
 * Access tokens of an OAuth 2 server, for `createCredentials()`.
 *
 * ```ts
 * createCredentials(oauthClientCredentials({ tokenUrl: 'https://login.example/token', clientId, clientSecret }));
 * ```
 *
 * The life is `expires_in`, counted from the arrival of the answer; without it the token does not end, until a node
 * refuses it. Redirects are not followed, so that the secret goes nowhere else. Errors name the endpoint and what the
 * server said: `UNAUTHENTICATED` for a client that is refused, `PERMISSION_DENIED` for rights that are,
 * `INVALID_ARGUMENT` for a request that makes no sense to it, else `UNAVAILABLE`.
 *
 * @throws FleetError `INVALID_OPTION` for a bad or unprotected URL, an empty client id or secret.
 */
export function oauthClientCredentials(options: OauthClientCredentialsOptions): CredentialSource {
  const { tokenUrl, clientId, clientSecret, scope, fields = {}, clientAuthentication = 'basic' } = options;
  const { insecure = false, fetch = globalThis.fetch } = options;
  const url = requireEndpoint(tokenUrl, insecure);
  requireOption(clientId !== '', 'clientId', 'not empty', '""');
  requireOption(clientSecret !== '', 'clientSecret', 'not empty', '""');
  const basic = clientAuthentication === 'basic';
  requireOption(
    basic || clientAuthentication === 'body',
    'clientAuthentication',
    'basic or body',
    clientAuthentication,
  );

  const name = `oauth ${url.origin}${url.pathname}`;
  const body = new URLSearchParams({ grant_type: 'client_credentials', ...fields });
  if (scope !== undefined) body.set('scope', typeof scope === 'string' ? scope : scope.join(' '));
  const headers: Record<string, string> = {
    'content-type': 'application/x-www-form-urlencoded',
    accept: 'application/json',
  };
  if (basic) {
    const pair = `${formEncoded(clientId)}:${formEncoded(clientSecret)}`;
    headers.authorization = `Basic ${Buffer.from(pair).toString('base64')}`;
  } else {
    body.set('client_id', clientId);
    body.set('client_secret', clientSecret);
  }
  const secrets = [clientSecret, formEncoded(clientSecret), headers.authorization ?? '', ...Object.values(fields)];
  const failure = (code: FleetErrorCode, what: string) =>
    new FleetError(code, `${name} ${redacted(what, secrets).slice(0, 300)}`);

  const ask = (signal: AbortSignal): Observable<Reply> =>
    from(fetch(url, { method: 'POST', headers, body: body.toString(), redirect: 'manual', signal })).pipe(
      mergeMap((response) => from(response.text()).pipe(map((text) => ({ status: response.status, text })))),
      catchError((error: unknown) =>
        throwError(() => failure('UNAVAILABLE', `cannot be asked (${causeOf(error)}): check that it is reachable`)),
      ),
    );
  const read = ({ status, text }: Reply): Grant => {
    const answer = parsed(text);
    if (status === 200) {
      const { access_token: secret, token_type: type, expires_in: seconds } = answer;
      if (typeof secret !== 'string' || secret === '') {
        throw failure('UNAVAILABLE', 'answered without an access_token: check that it is a token endpoint');
      }
      const life = typeof seconds === 'string' ? Number(seconds) : seconds;
      return {
        secret,
        scheme: typeof type === 'string' && !/^bearer$/i.test(type) ? type : 'Bearer',
        ...(typeof life === 'number' && life >= 0 && { expiresInMs: life * 1_000 }),
      };
    }
    const error = typeof answer.error === 'string' ? answer.error : '';
    const described = typeof answer.error_description === 'string' ? `: ${answer.error_description}` : '';
    const code =
      refusals[error] ?? (status === 401 ? 'UNAUTHENTICATED' : status === 403 ? 'PERMISSION_DENIED' : undefined);
    const remedy = code ? 'check clientId, clientSecret and scope' : 'look at the log of the server';
    throw failure(code ?? 'UNAVAILABLE', `answered ${status} ${error}${described}; ${remedy}`);
  };
  return {
    name,
    authenticate: () =>
      defer(() => {
        const asking = new AbortController();
        return ask(asking.signal).pipe(
          map(read),
          finalize(() => asking.abort()),
        );
      }),
  };
}

interface Reply {
  readonly status: number;
  readonly text: string;
}

/** RFC 6749, 5.2. */
const refusals: Readonly<Record<string, FleetErrorCode>> = {
  invalid_client: 'UNAUTHENTICATED',
  invalid_grant: 'UNAUTHENTICATED',
  unauthorized_client: 'PERMISSION_DENIED',
  access_denied: 'PERMISSION_DENIED',
  invalid_scope: 'PERMISSION_DENIED',
  invalid_request: 'INVALID_ARGUMENT',
  unsupported_grant_type: 'INVALID_ARGUMENT',
};

function requireEndpoint(tokenUrl: string, insecure: boolean): URL {
  const url = URL.canParse(tokenUrl) ? new URL(tokenUrl) : undefined;
  // Never the text itself: a URL may hold a password.
  requireOption(url !== undefined && /^https?:$/.test(url.protocol), 'tokenUrl', 'an https URL', 'what was given');
  const { protocol, hostname, username, password, origin } = url!;
  requireOption(!username && !password, 'tokenUrl', 'without a user: use clientId and clientSecret', origin);
  const here = /^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname);
  requireOption(protocol === 'https:' || here || insecure, 'tokenUrl', 'https, since it is sent a secret', origin);
  return url!;
}

/** As `application/x-www-form-urlencoded`, which RFC 6749, 2.3.1 wants inside of Basic. */
function formEncoded(text: string): string {
  return new URLSearchParams({ x: text }).toString().slice(2);
}

function parsed(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

/** Why a fetch failed: it hides that in causes. */
function causeOf(error: unknown): string {
  const { cause, message, name } = error as {
    cause?: { code?: string; message?: string };
    message?: string;
    name?: string;
  };
  return cause?.code ?? cause?.message ?? message ?? name ?? 'no answer';
}
