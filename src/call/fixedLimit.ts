/** A limit that somebody knows. */

import { requireOption } from '../core/requireOption.js';
import type { LimitAlgorithm } from './limit.js';

/**
 * Always the same: `concurrencyLimit({ limit: fixedLimit(8) })` is `concurrencyLimit({ max: 8 })`.
 *
 * @throws FleetError `INVALID_OPTION` unless it is a whole number of at least 1.
 */
export function fixedLimit(limit: number): LimitAlgorithm {
  requireOption(Number.isInteger(limit) && limit >= 1, 'fixedLimit', 'a whole number from 1', limit);
  return () => ({ limit, onSample: () => undefined });
}
