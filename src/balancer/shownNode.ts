/** A node in the form in which a picker picks from it, which need not be that of its set. */

import type { Node } from '../core/node.js';
import type { Picker } from './picker.js';

/** Undefined for one that is out of its reach. */
export function shownNode(picker: Picker, id: string): Node | undefined {
  return picker.shown === undefined ? (picker.reach ?? picker.set).get(id) : picker.shown(id);
}
