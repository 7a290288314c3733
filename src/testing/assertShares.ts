/** Whether counts are what chance may yield. */

import { ok } from 'node:assert/strict';

/** Chance would be called wrong once in a million times. */
const deviations = 4.75;

/**
 * Asserts that counts fit their shares: a chi-square test (Pearson), its limit by the cube-root formula of Wilson and
 * Hilferty 1931. Shares need not add up to 1.
 */
export function assertShares(
  counts: ReadonlyMap<string, number>,
  shares: ReadonlyMap<string, number>,
  what: string,
): void {
  const picks = sum(counts.values());
  const whole = sum(shares.values());
  let distance = 0;
  for (const [id, share] of shares) {
    const expected = (picks * share) / whole;
    distance += ((counts.get(id) ?? 0) - expected) ** 2 / expected;
  }
  const freedom = shares.size - 1;
  const limit = freedom * (1 - 2 / (9 * freedom) + deviations * Math.sqrt(2 / (9 * freedom))) ** 3;
  ok(distance <= limit, `${what}: ${said(counts)} (chi-square ${distance.toFixed(1)}, at most ${limit.toFixed(1)})`);
}

/** Asserts that each count is at least `low` and at most `high` times its share. */
export function assertAbout(
  counts: ReadonlyMap<string, number>,
  shares: ReadonlyMap<string, number>,
  [low, high]: readonly [low: number, high: number],
  what: string,
): void {
  const picks = sum(counts.values());
  const whole = sum(shares.values());
  for (const [id, share] of shares) {
    const ratio = ((counts.get(id) ?? 0) * whole) / (picks * share);
    ok(ratio >= low && ratio <= high, `${what}: ${id} got ${ratio.toFixed(2)} times its share; ${said(counts)}`);
  }
}

function said(counts: ReadonlyMap<string, number>): string {
  return [...counts].map(([id, count]) => `${id} ${count}`).join(', ');
}

function sum(values: Iterable<number>): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}
