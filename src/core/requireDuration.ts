/** Times that a timer can wait for. */

import { requireOption } from './requireOption.js';

/** Twelve days. Timers of the platform fire at once when they are told to wait twice as long. */
export const longestMs = 2 ** 30;

/** @throws FleetError `INVALID_OPTION` unless a timer can wait for so many milliseconds. */
export function requireDuration(field: string, ms: number, leastMs = 1): void {
  requireOption(ms >= leastMs && ms <= longestMs, field, `from ${leastMs} to ${longestMs}`, ms);
}
