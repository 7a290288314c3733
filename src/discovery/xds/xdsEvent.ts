/** What passes between a client of xDS and its control planes, as gRFC A78 counts it. */

/**
 * What a client has of a resource: `requested`: nothing heard yet; `does_not_exist`: the control plane has none; `acked`:
 * what came last is good; `nacked`: only bad forms came; `nacked_but_cached`: what came last is bad, an older form is kept.
 * Beyond A78, as gRPC's C core says it: `timeout`: nothing came, which counts as trouble of the control plane (gRFC A88);
 * `does_not_exist_but_cached`: deleted, and kept as the bootstrap asks (gRFC A53).
 */
export type XdsCacheState =
  'requested' | 'does_not_exist' | 'does_not_exist_but_cached' | 'acked' | 'nacked' | 'nacked_but_cached' | 'timeout';

export interface XdsServerState {
  /** Such as `10.0.0.1:18000`. */
  readonly server: string;
  /**
   * From the first dial on, until it cannot be reached or ends a stream without an answer; then not until it answers
   * (gRFC A57).
   */
  readonly connected: boolean;
}

/** How many resources are alike. */
export interface XdsResourceCount {
  /** Such as `envoy.config.cluster.v3.Cluster`. */
  readonly resourceType: string;
  /** That of a name of the new style (`xdstp://authority/…`); `#old` for the others. */
  readonly authority: string;
  readonly cacheState: XdsCacheState;
  readonly count: number;
}

/** Where a client stands; told whenever that has changed. */
export interface XdsState {
  readonly type: 'state';
  /** By which the clients of a process are told apart. */
  readonly client: number;
  /** The control planes that it has dialled, in the order in which it did. None when it has ended. */
  readonly servers: readonly XdsServerState[];
  readonly resources: readonly XdsResourceCount[];
}

/** An answer of a control plane was read. */
export interface XdsUpdate {
  readonly type: 'update';
  readonly client: number;
  readonly server: string;
  readonly resourceType: string;
  /** How many of its resources were good, changed or not, and how many were not. */
  readonly valid: number;
  readonly invalid: number;
}

export type XdsEvent = XdsState | XdsUpdate;
