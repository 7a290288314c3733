/** What a detector is: it looks at how attempts end, and finds the nodes that should be out for a while. */

import type { Observable, SchedulerLike } from 'rxjs';
import type { NodeOutcome } from '../core/nodeOutcome.js';
import type { NodeSet } from '../core/nodeSet.js';

/** Finds nodes that should be out for a while, such as `outlierDetection()`. */
export interface Detector {
  /** As reasons and events call it, such as `outlierDetection`. */
  readonly name: string;
  /** What it finds, for as long as it is subscribed. When it ends by itself, the nodes that it took out are let in again. */
  watch(ports: DetectorPorts): Observable<Finding>;
}

/** What a detector may look at. */
export interface DetectorPorts {
  /** The name under which its ejections stand at a node: its own, numbered where several detectors have the same. */
  readonly by: string;
  /** Each attempt, as it ends. */
  readonly outcomes$: Observable<NodeOutcome>;
  /**
   * The world now, then each change. Who finds that its ejection is gone from a node was overruled: by a user, or because too
   * few others were left.
   */
  readonly nodes$: Observable<NodeSet>;
  /** Whether this node may be taken out now. Ask at the moment of the finding, one node after the other. */
  readonly mayEject: (id: string) => boolean;
  readonly scheduler: SchedulerLike;
  readonly random: () => number;
}

/**
 * What a detector says. `eject`: take this node out. `spared`: it would be taken out, but is not. `readmit`: let it in again.
 * `inert`: it can judge nobody as things are, and why; without a reason: it can again.
 */
export type Finding =
  | {
      readonly type: 'eject';
      readonly id: string;
      readonly method: string;
      readonly reason: string;
      readonly until: number | undefined;
    }
  | {
      readonly type: 'spared';
      readonly id: string;
      readonly method: string;
      readonly reason: string;
      readonly unenforcedReason: UnenforcedReason;
    }
  | { readonly type: 'readmit'; readonly id: string; readonly reason: string }
  | { readonly type: 'inert'; readonly reason: string | undefined };

/**
 * Why a node that was found stays in: chance spared it, or the ejection budget is used up. In the words of gRFC A91:
 * `grpc.lb.outlier_detection.unenforced_reason`.
 */
export type UnenforcedReason = 'enforcement_percentage' | 'max_ejection_overflow';
