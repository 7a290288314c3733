/** What the letters of a `picks` diagram do. */

import type { PickContext } from '../../balancer/picker.js';

/** A pick with this context, or the end of the oldest open pick on a node. */
export type PickEvent =
  | PickContext
  | {
      readonly end: string;
      readonly failed?: boolean;
      /** How long it took. Default 1. */
      readonly latencyMs?: number;
    };
