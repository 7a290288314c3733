/** Whether a node that announces itself says that it takes calls. */

import type { Node } from '../../core/node.js';

/** False for a node that drains, or that says it does not serve: layouts with one flag for both write this. */
export function isServing({ availability, health }: Node): boolean {
  return availability !== 'draining' && availability !== 'unavailable' && health !== 'notServing';
}
