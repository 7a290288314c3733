/** For how long detectors take nodes out, and how many of those that they find. */

import { requireDuration } from '../core/requireDuration.js';
import { requireOption } from '../core/requireOption.js';
import type { DetectorPorts, Finding, UnenforcedReason } from './detector.js';

export interface EjectionTerms {
  /**
   * How long a node is out the first time, in milliseconds; the second time in a row twice as long, the third time three times,
   * and so on. Default 30,000. gRFC A50 and Envoy: `base_ejection_time`.
   */
  readonly baseEjectionTimeMs?: number;
  /** But never longer than this, in milliseconds. Default 300,000, or the base where that is longer. `max_ejection_time`. */
  readonly maxEjectionTimeMs?: number;
}

export type ResolvedTerms = Required<EjectionTerms>;

/** @throws FleetError `INVALID_OPTION`, naming the field. */
export function resolveTerms(of: string, terms: EjectionTerms): ResolvedTerms {
  const { baseEjectionTimeMs = 30_000, maxEjectionTimeMs = 300_000 } = terms;
  requireDuration(`${of}.baseEjectionTimeMs`, baseEjectionTimeMs);
  requireDuration(`${of}.maxEjectionTimeMs`, maxEjectionTimeMs);
  return { baseEjectionTimeMs, maxEjectionTimeMs: Math.max(baseEjectionTimeMs, maxEjectionTimeMs) };
}

/** How long a node is out the n-th time in a row. */
export function ejectionTimeMs({ baseEjectionTimeMs, maxEjectionTimeMs }: ResolvedTerms, times: number): number {
  return Math.min(baseEjectionTimeMs * times, maxEjectionTimeMs);
}

/** @throws FleetError `INVALID_OPTION` */
export function requirePercentage(field: string, percentage: number): void {
  requireOption(percentage >= 0 && percentage <= 100, field, 'from 0 to 100', percentage);
}

/** @throws FleetError `INVALID_OPTION` */
export function requireCount(field: string, count: number): void {
  requireOption(Number.isInteger(count) && count >= 1, field, 'a whole number of at least 1', count);
}

/** A node of which its calls show that it should be out. */
export interface Found {
  readonly id: string;
  readonly method: string;
  readonly reason: string;
}

/**
 * What becomes of it: the budget is asked first, then chance (gRFC A50: `enforcement_percentage`).
 *
 * @param eject notes that it is taken out, and says until when.
 */
export function judgementOn(
  { id, method, reason }: Found,
  enforcementPercentage: number,
  { mayEject, random }: Pick<DetectorPorts, 'mayEject' | 'random'>,
  eject: () => { readonly until: number },
): Finding {
  const spared = (unenforcedReason: UnenforcedReason): Finding => {
    return { type: 'spared', id, method, reason, unenforcedReason };
  };
  if (!mayEject(id)) return spared('max_ejection_overflow');
  if (Math.floor(random() * 100) >= enforcementPercentage) return spared('enforcement_percentage');
  return { type: 'eject', id, method, reason, until: eject().until };
}
