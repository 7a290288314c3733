/** Refuses names that would break a key into other parts than were meant. */

import { requireOption } from '../../core/requireOption.js';

/**
 * The name itself, when it can be one part of a key.
 *
 * @throws FleetError `INVALID_OPTION` when it is empty or holds a slash.
 */
export function requireSegment(name: string, what: string): string {
  requireOption(name !== '' && !name.includes('/'), what, 'a name without "/" to be part of a key', `"${name}"`);
  return name;
}
