/** Everything that happens in a fleet or pool, as one stream: what all that watches is fed by. */

import type { BalancerEvent } from '../balancer/balancerEvent.js';
import type { CallEvent } from '../call/callEvent.js';
import type { ConnectivityState, DisconnectError } from '../core/channel.js';
import type { DiscoveryEvent } from '../discovery/discovery.js';
import type { XdsEvent } from '../discovery/xds/xdsEvent.js';
import type { HealthEvent } from '../health/healthEvent.js';

/** The connection to a node changed its state. */
export interface ConnectionChanged {
  readonly type: 'connectionChanged';
  readonly at: number;
  /** The id of the node. */
  readonly node: string;
  readonly from: ConnectivityState;
  readonly to: ConnectivityState;
  /** Why the last dialling failed, or the connection ended, where that is known. */
  readonly reason: string | undefined;
  /** Why it ended, of one that was `READY`, in the words of gRFC A94; `unknown` over grpc-js, which does not tell. */
  readonly disconnectError: DisconnectError | undefined;
}

/** A connection to a node could not be made; told each time, where `connectionChanged` is told once. */
export interface ConnectFailed {
  readonly type: 'connectFailed';
  readonly at: number;
  /** The id of the node. */
  readonly node: string;
  readonly reason: string;
}

/** A discovery met something and survived it. */
export interface DiscoveryHappened {
  readonly type: 'discovery';
  readonly at: number;
  readonly event: DiscoveryEvent;
}

/** An xDS client among the discoveries was told something, or stands elsewhere than before. */
export interface XdsHappened {
  readonly type: 'xds';
  readonly at: number;
  readonly event: XdsEvent;
}

/** Told apart by `type`. */
export type FleetEvent =
  CallEvent | HealthEvent | BalancerEvent | ConnectionChanged | ConnectFailed | DiscoveryHappened | XdsHappened;
