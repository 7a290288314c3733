/** How long a credential lives by our own clock, whatever the issuer's clock shows. */

import type { Grant } from '../credentialSource.js';

/** What is assumed of a credential that has just been issued and yet has ended by our clock, in milliseconds. */
const assumedLifeMs = 60_000;

export interface Life {
  /** From now, in milliseconds; `Infinity` for one that does not end. */
  readonly lifeMs: number;
  /** True when our clock and the issuer's cannot both be right. */
  readonly skewed: boolean;
}

/** @param now When the answer came, by our clock. */
export function lifeOf({ expiresInMs, expiresAt, issuedAt }: Grant, now: number, clockSkewMs: number): Life {
  if (expiresInMs !== undefined) return { lifeMs: Math.max(0, expiresInMs), skewed: false };
  if (expiresAt === undefined) return { lifeMs: Infinity, skewed: false };
  if (issuedAt !== undefined && expiresAt > issuedAt) return { lifeMs: expiresAt - issuedAt, skewed: false };
  const left = expiresAt - now;
  // It was issued this moment, so it is the clock that is wrong. A node that knows better refuses it.
  if (left <= 0) return { lifeMs: assumedLifeMs, skewed: true };
  return { lifeMs: left === Infinity ? left : left - Math.min(clockSkewMs, left / 5), skewed: false };
}
