/** What a balancer claims, and must then hold to. */

export interface BalancerClaims {
  /** It claims to give all nodes of one weight about equal shares and to starve none. Default false. */
  readonly spread?: boolean;
  /** It claims to give each node a share by its weight. Default false. */
  readonly weighted?: boolean;
  /** It claims to send equal keys to one node, and to move few when nodes come and go. Default false. */
  readonly keyed?: boolean;
  /**
   * It claims to look at load or latency: then slow nodes must get fewer calls, and so must one that fails at once, which always
   * looks idle and fast. Default false.
   */
  readonly loadAware?: boolean;
  /** With `keyed`: the fraction of the keys of other nodes that may move when one comes, goes or gains weight. Default 0. */
  readonly disruption?: number;
}
