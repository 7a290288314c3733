/** How a senseless option is refused: at construction, by name. */

import { FleetError } from './fleetError.js';

/**
 * Throws unless `ok`, saying which field must be what and was not.
 *
 * @throws FleetError `INVALID_OPTION`
 */
export function requireOption(ok: boolean, field: string, rule: string, value: unknown): void {
  if (!ok) throw new FleetError('INVALID_OPTION', `${field} must be ${rule}, not ${String(value)}`);
}
