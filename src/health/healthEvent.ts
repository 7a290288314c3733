/** What becomes of the health of nodes, as it happens. */

import type { Health, Node } from '../core/node.js';
import type { UnenforcedReason } from './detector.js';

/** A detector found that a node should be out: it is now, or it was spared. */
export interface NodeEjected {
  readonly type: 'ejected';
  readonly at: number;
  readonly node: Node;
  /** Who found it, such as `outlierDetection`. */
  readonly by: string;
  /**
   * By which method, in the words of gRFC A91 where it has one (`grpc.lb.outlier_detection.detection_method`): `success_rate`,
   * `failure_percentage`, and our own `consecutive_failure` and `consecutive_gateway_failure`.
   */
  readonly method: string;
  readonly reason: string;
  /** When it is to be let in again, in milliseconds since the epoch; undefined when that is not known. */
  readonly until: number | undefined;
  /** False when it stays in. */
  readonly enforced: boolean;
  /** Why it stays in; undefined when it does not. */
  readonly unenforcedReason: UnenforcedReason | undefined;
}

/** A detector lets a node in again; others may still hold it out. */
export interface NodeReadmitted {
  readonly type: 'readmitted';
  readonly at: number;
  readonly node: Node;
  readonly by: string;
  /** In a sentence. */
  readonly reason: string;
}

/** A detector can judge nobody as things are, such as in a fleet below its minimum. Told once. */
export interface DetectorInert {
  readonly type: 'detectorInert';
  readonly at: number;
  readonly by: string;
  /** What it needs and what there is, in a sentence. */
  readonly reason: string;
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

export type HealthEvent = NodeEjected | NodeReadmitted | DetectorInert | HealthChanged | PanicChanged;
