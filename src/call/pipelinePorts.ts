/** What the pipeline needs of the client around it. */

import type { Observable, SchedulerLike } from 'rxjs';
import type { Balancer, Picker } from '../balancer/picker.js';
import type { DeadlineWheel } from '../core/deadlineWheel.js';
import type { EventSink } from '../core/eventSink.js';
import type { LoadReport } from '../core/loadReport.js';
import type { Metadata } from '../core/metadata.js';
import type { Node } from '../core/node.js';
import type { Outcome } from '../core/nodeStats.js';
import type { RetryBudget } from '../core/retryBudget.js';
import type { CallInfo } from './call.js';
import type { CallEvent } from './callEvent.js';
import type { CallMeter } from './callMeter.js';
import type { AttemptHandler } from './middleware.js';
import type { OpenCopies } from './openCopies.js';
import type { BeginningAttempt, CallEnd, Gate, NodeGate } from './policy.js';

/** A connection that is kept open while a call uses it. */
export interface Lease {
  readonly connection: unknown;
  release(): void;
}

export interface PipelinePorts<C> {
  /** The picker now; replaced with every node set. */
  readonly picker: (balancer: Balancer | undefined) => Picker;
  /** Each new picker, for calls that wait for a node. */
  readonly picker$: (balancer: Balancer | undefined) => Observable<Picker>;
  /** The connection to a node, or undefined when the node has just gone. */
  readonly acquire: (node: Node) => Lease | undefined;
  /** What calls get of a connection: itself, or what it holds. */
  readonly resourceOf: (connection: unknown) => C;
  /** Told how each attempt ended. */
  readonly ended: (node: Node, outcome: Outcome) => void;
  /** What trailers say of the load of their node. */
  readonly loadOf: (trailers: Metadata) => LoadReport | undefined;
  readonly gates: readonly Gate[];
  readonly nodeGates: readonly NodeGate[];
  /** Told of each attempt before anything is sent. */
  readonly beginning: readonly ((attempt: BeginningAttempt) => void)[];
  /** Told of each call when it is over. */
  readonly ending: readonly ((call: CallInfo, end: CallEnd) => void)[];
  /** The middlewares around attempts; undefined when there are none. */
  readonly around: ((innermost: AttemptHandler<C>) => AttemptHandler<C>) | undefined;
  readonly budget: RetryBudget;
  readonly copies: OpenCopies;
  readonly meter: CallMeter;
  readonly events: EventSink<CallEvent>;
  readonly wheel: DeadlineWheel;
  readonly scheduler: SchedulerLike;
  /** Milliseconds since the epoch, by the scheduler. */
  readonly now: () => number;
  /** The stopwatch by which latencies are measured. */
  readonly clock: () => number;
  readonly random: () => number;
}
