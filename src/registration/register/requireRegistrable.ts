/** Which nodes can be announced. */

import type { Node } from '../../core/node.js';
import { requireOption } from '../../core/requireOption.js';

/** @throws FleetError `INVALID_OPTION` for a node of no service. */
export function requireRegistrable({ service, id }: Node): void {
  requireOption(service !== '', 'service', `named, so that node ${id} can be found by it`, '""');
  requireOption(id !== '', 'id', 'left out or not empty', '""');
}
