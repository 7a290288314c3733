/** The client credentials grant against a real HTTP server, that answers well and badly. */

import { inspect } from 'node:util';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { firstValueFrom } from 'rxjs';
import { createCredentials, type CredentialEvent, type Credentials } from '../../src/auth/createCredentials.js';
import { oauthClientCredentials, type OauthClientCredentialsOptions } from '../../src/auth/oauthClientCredentials.js';
import type { FleetError } from '../../src/core/fleetError.js';
import { until } from '../support/until.js';
import { startTokenServer, type TokenAnswer, type TokenRequest, type TokenServer } from './tokenServer.js';

const clientSecret = 's3cret/+ &=ü';
let server: TokenServer | undefined;
let credentials: Credentials | undefined;
const events: CredentialEvent[] = [];
afterEach(async () => {
  credentials?.close();
  await server?.close();
  server = credentials = undefined;
  events.length = 0;
});

async function open(
  answer: (request: TokenRequest, count: number) => TokenAnswer,
  options: Partial<OauthClientCredentialsOptions> = {},
): Promise<Credentials> {
  server = await startTokenServer(answer);
  const source = oauthClientCredentials({ tokenUrl: server.url, clientId: 'orders:1', clientSecret, ...options });
  return (credentials = createCredentials(source, { onEvent: (event) => events.push(event), timeoutMs: 2_000 }));
}
const failure = (of: Credentials): Promise<FleetError> =>
  firstValueFrom(of.valid()).then(
    () => Promise.reject(new Error('a credential came')),
    (error: FleetError) => error,
  );

describe('oauthClientCredentials', () => {
  it('shows who it is as RFC 6749 says, and takes the token with its life', async () => {
    const body = { access_token: 'token-1', token_type: 'bearer', expires_in: 3600 };
    const before = Date.now();
    const { secret, scheme, expiresAt } = await firstValueFrom(
      (await open(() => ({ body }), { scope: ['read', 'write'], fields: { audience: 'orders' } })).valid(),
    );
    expect([secret, scheme]).toEqual(['token-1', 'Bearer']);
    expect(expiresAt - before).toBeGreaterThanOrEqual(3_600_000);
    expect(expiresAt - before).toBeLessThan(3_605_000);
    const [{ method, headers, fields }] = server!.requests as [TokenRequest];
    expect(method).toBe('POST');
    expect(headers['content-type']).toBe('application/x-www-form-urlencoded');
    expect(Object.fromEntries(fields)).toEqual({
      ...{ grant_type: 'client_credentials', scope: 'read write', audience: 'orders' },
    });
    const pair = Buffer.from(headers.authorization!.replace('Basic ', ''), 'base64').toString();
    expect(pair.split(':').map((each) => decodeURIComponent(each.replaceAll('+', ' ')))).toEqual([
      'orders:1',
      clientSecret,
    ]);
  });

  it('shows who it is in the body where the server wants that', async () => {
    const body = { access_token: 'token-1', token_type: 'Bearer', expires_in: '60' };
    await firstValueFrom((await open(() => ({ body }), { clientAuthentication: 'body' })).valid());
    const [{ headers, fields }] = server!.requests as [TokenRequest];
    expect(headers.authorization).toBeUndefined();
    expect([fields.get('client_id'), fields.get('client_secret')]).toEqual(['orders:1', clientSecret]);
  });

  it('is asked once by a hundred callers at the same time', async () => {
    const opened = await open((_, count) => ({ body: { access_token: `token-${count}`, expires_in: 60 } }));
    const got = await Promise.all(Array.from({ length: 100 }, () => firstValueFrom(opened.valid())));
    expect(new Set(got.map(({ secret }) => secret))).toEqual(new Set(['token-1']));
    expect(server!.requests.length).toBe(1);
  });

  it.each([
    ['invalid_client', 401, 'UNAUTHENTICATED'],
    ['unauthorized_client', 400, 'PERMISSION_DENIED'],
    ['invalid_scope', 400, 'PERMISSION_DENIED'],
    ['invalid_request', 400, 'INVALID_ARGUMENT'],
    ['', 401, 'UNAUTHENTICATED'],
    ['temporarily_unavailable', 503, 'UNAVAILABLE'],
    ['', 500, 'UNAVAILABLE'],
    ['', 302, 'UNAVAILABLE'],
  ])('an answer of "%s" (%i) is %s, and names the endpoint', async (error, status, code) => {
    const refused = await failure(
      await open(() => ({
        status,
        body: { error, error_description: 'because' },
        headers: { location: '/elsewhere' },
      })),
    );
    expect(refused.code).toBe(code);
    expect(refused.message).toContain(server!.url);
    expect(refused.message).toContain('because');
    expect(server!.requests.length).toBe(1);
  });

  it.each([
    ['not JSON', '<html>'],
    ['JSON that is no object', '[]'],
    ['without a token', { token_type: 'bearer' }],
    ['with a token that is no text', { access_token: 5 }],
  ])('an answer that is %s is a failure that may pass', async (_, body) => {
    const error = await failure(await open(() => ({ body })));
    expect([error.code, error.message]).toEqual(['UNAVAILABLE', expect.stringContaining('without an access_token')]);
  });

  it('an endpoint that is down is named, with the reason', async () => {
    const probe = createServer().listen(0, '127.0.0.1');
    await once(probe, 'listening');
    const { port } = probe.address() as { port: number };
    probe.close();
    const tokenUrl = `http://127.0.0.1:${port}/token`;
    credentials = createCredentials(oauthClientCredentials({ tokenUrl, clientId: 'c', clientSecret }));
    const error = await failure(credentials);
    expect([error.code, error.message]).toEqual([
      'UNAVAILABLE',
      expect.stringMatching(/127\.0\.0\.1:\d+\/token.*ECONNREFUSED/),
    ]);
  });

  it('an endpoint that hangs is left after the time limit, and the request is broken off', async () => {
    server = await startTokenServer(() => ({ hang: true }));
    const source = oauthClientCredentials({ tokenUrl: server.url, clientId: 'c', clientSecret });
    credentials = createCredentials(source, { timeoutMs: 100 });
    expect((await failure(credentials)).message).toContain('within 100 ms');
    await until('the request is broken off', () => server!.aborted() === 1);
  });

  it('a request that nobody needs any more is broken off by close()', async () => {
    const opened = await open(() => ({ hang: true }));
    const waiting = failure(opened);
    await until('it has asked', () => server!.requests.length === 1);
    opened.close();
    expect((await waiting).code).toBe('CLOSED');
    await until('the request is broken off', () => server!.aborted() === 1);
  });

  it('never shows the secret or a token: not in errors, events or printed credentials', async () => {
    const token = 'tok-9f8e7d6c5b4a';
    const basic = `${encodeURIComponent('orders:1')}:${new URLSearchParams({ x: clientSecret }).toString().slice(2)}`;
    const encoded = Buffer.from(basic).toString('base64');
    const echo = `bad client ${clientSecret} ${encodeURIComponent(clientSecret)} Basic ${encoded} ${token}`;
    const opened = await open((_, count) =>
      count === 1
        ? { body: { access_token: token, expires_in: 60 } }
        : { status: 401, body: { error: 'invalid_client', error_description: echo } },
    );
    const credential = await firstValueFrom(opened.valid());
    const error = await firstValueFrom(opened.replacement(credential)).catch((thrown: unknown) => thrown);
    expect((error as FleetError).code).toBe('UNAUTHENTICATED');
    const printed = [error, ...events, credential, opened].flatMap((each) => [
      inspect(each, { depth: Infinity, showHidden: false }),
      JSON.stringify(each),
    ]);
    for (const hidden of [clientSecret, encodeURIComponent(clientSecret), encoded, token]) {
      expect(printed.filter((text) => text?.includes(hidden))).toEqual([]);
    }
    expect(events.map(({ type }) => type)).toEqual(['authenticated', 'failed']);
  });

  it.each([
    [{ tokenUrl: 'no url' }, 'tokenUrl must be an https URL'],
    [{ tokenUrl: 'ftp://x' }, 'tokenUrl must be an https URL'],
    [{ tokenUrl: 'http://login.example/token' }, 'tokenUrl must be https'],
    [{ tokenUrl: 'https://user:pass@login.example/token' }, 'tokenUrl must be without a user'],
    [{ clientId: '' }, 'clientId must be not empty'],
    [{ clientSecret: '' }, 'clientSecret must be not empty'],
  ])('refuses %o', (options, message) => {
    const made = () =>
      oauthClientCredentials({ tokenUrl: 'https://login.example/token', clientId: 'c', clientSecret, ...options });
    expect(made).toThrow(message);
    expect(made).not.toThrow('pass@');
  });
});
