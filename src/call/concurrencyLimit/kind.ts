/** Calls that can go to the same nodes, as far as is known. */

import { WaitingLine } from '../waitingLine.js';
import type { Permits } from './permits.js';
import type { Line, PlaceWaiter } from './placeWaiter.js';
import { ServiceTime } from './serviceTime.js';

/** Calls with equal requirements: the nodes that were full for them, and who waits. */
export class Kind implements Line {
  readonly key: string;
  readonly nodes = new Set<Permits>();
  readonly line = new WaitingLine<PlaceWaiter>();
  readonly service = new ServiceTime();

  constructor(key: string) {
    this.key = key;
  }

  get places(): number {
    let sum = 0;
    for (const { most } of this.nodes) sum += most;
    return sum;
  }
}
