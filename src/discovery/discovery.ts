/** What a discovery is: a function from a question to a live node set. */

import type { Observable, SchedulerLike } from 'rxjs';
import type { NodeSet } from '../core/nodeSet.js';
import type { XdsEvent } from './xds/xdsEvent.js';

/** What to look for, and the ports of time and chance. */
export interface DiscoveryQuery {
  /** The name of the service, in the form that the registry uses. */
  readonly service: string;
  readonly namespace?: string;
  /**
   * Ids of nodes on which a call has just failed at the network: a source that can, asks again whether they are
   * still there (RFC 6762, 10.4).
   */
  readonly reconfirm$?: Observable<string>;
  /** Told of what was skipped or went wrong without ending the discovery. */
  readonly onEvent?: (event: DiscoveryEvent) => void;
  /** Told of what passes between a client of xDS and its control planes, for those who count it. */
  readonly onXdsEvent?: (event: XdsEvent) => void;
  /** Default `asyncScheduler`. */
  readonly scheduler?: SchedulerLike;
  /** Default `Math.random`. */
  readonly random?: () => number;
}

/** Something that a discovery met and survived. */
export interface DiscoveryEvent {
  /** The discovery, as in `Node.sources`. */
  readonly source: string;
  /** `skipped`: one bad or foreign entry was passed over. `disconnected`, `connected`: the source went or came back. */
  readonly type: 'skipped' | 'disconnected' | 'connected';
  readonly message: string;
  readonly cause?: unknown;
}

/**
 * A cold Observable of whole node sets.
 *
 * - Opens nothing before `subscribe`; `unsubscribe` closes every socket, watch and timer.
 * - Emits the state of the world, equal sets once. Nodes that did not change keep their object.
 * - Never emits an empty set by accident: empty means that the source said so. While cut off it keeps the last set
 *   and marks it `stale`, and reconnects by itself with jittered backoff.
 * - Errors only for what can never work: a bad configuration, refused credentials.
 *
 * `testDiscovery()` of `rxfleet/testing` holds this contract.
 */
export type Discovery = (query: DiscoveryQuery) => Observable<NodeSet>;
