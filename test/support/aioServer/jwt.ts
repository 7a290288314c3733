/** The tokens of an AIO server: JWTs signed with HS256, checked for signature and end and nothing else. */

import { createHmac } from 'node:crypto';

export interface Claims {
  readonly clientKey: string;
  /** Seconds since the epoch. */
  readonly iat: number;
  readonly exp: number;
  readonly [name: string]: unknown;
}

const header = encoded({ alg: 'HS256', typ: 'JWT' });

export function signJwt(claims: Claims, secret: string): string {
  const body = `${header}.${encoded(claims)}`;
  return `${body}.${signature(body, secret)}`;
}

/** The claims of a token that is good at `nowMs`; undefined for any other. */
export function verifyJwt(token: string, secret: string, nowMs: number): Claims | undefined {
  const [head, payload, signed] = token.split('.');
  if (!payload || signed !== signature(`${head}.${payload}`, secret)) return undefined;
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as Claims;
  return claims.exp * 1_000 > nowMs ? claims : undefined;
}

function encoded(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

function signature(body: string, secret: string): string {
  return createHmac('sha256', secret).update(body).digest('base64url');
}
