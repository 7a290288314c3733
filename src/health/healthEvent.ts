/** What becomes of the health of nodes, as it happens. */

import type { Health, Node } from '../core/node.js';

/** A node was taken out for its failures, or would have been. */
export interface NodeEjected {
  readonly type: 'ejected';
  readonly at: number;
  readonly node: Node;
  /** Who found it, such as `outlierDetection`. */
  readonly by: string;
  readonly reason: string;
  /** When it is to be let in again, in milliseconds since the epoch; undefined when that is not known. */
  readonly until: number | undefined;
  /** False when it stays in: the budget is used up, or chance spared it (gRFC A50: enforcement percentage). */
  readonly enforced: boolean;
}

/** A node is let in again. */
export interface NodeReadmitted {
  readonly type: 'readmitted';
  readonly at: number;
  readonly node: Node;
  readonly by: string;
}

/** A health check or a registry says another thing of a node than before. */
export interface HealthChanged {
  readonly type: 'healthChanged';
  readonly at: number;
  readonly node: Node;
  readonly from: Health;
  readonly to: Health;
  readonly reason: string | undefined;
}

/** So few nodes are healthy that health is ignored, or enough are again. */
export interface PanicChanged {
  readonly type: 'panicChanged';
  readonly at: number;
  readonly on: boolean;
  readonly healthy: number;
  readonly total: number;
}

export type HealthEvent = NodeEjected | NodeReadmitted | HealthChanged | PanicChanged;
