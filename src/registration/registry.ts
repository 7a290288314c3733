/** What a registry is: how a node is put into it, kept in it, and taken out. */

import type { Observable } from 'rxjs';
import type { Node } from '../core/node.js';

/**
 * A place where nodes announce themselves. A value without a life: each `put` is one registration, and `register()`
 * drives it (when to renew, when it counts as lost, when to put it again), the same for all registries.
 */
export interface Registry {
  /** `etcd`, `consul`, `aio`, `mdns`. */
  readonly name: string;
  /**
   * Puts a node in. Cold; emits the lease once and completes. Errors with a `FleetError` that names the registry, the
   * endpoint and the remedy; `register()` tries again with backoff, unless the fault is the caller's.
   */
  put(node: Node): Observable<Lease>;
}

/** One node in one registry. */
export interface Lease {
  /** The key or id under which the registry knows it, for messages; may change, as an mDNS name does after a conflict. */
  readonly key: string;
  /** Life in milliseconds, counted from the sending of `put` or of the last `renew` that was answered; `Infinity` for registries without one. */
  readonly ttlMs: number;
  /**
   * One heartbeat. Cold; emits the life that was granted, in milliseconds, and completes. Errors with `NOT_FOUND` when
   * the registry no longer knows the lease: it is lost, and must be put again. Any other error may pass.
   *
   * A second one may be asked for while the first is unanswered, and the first is unsubscribed from once the second is
   * answered. So each must emit for its own answer and no other: on a shared stream, answers belong to heartbeats in the
   * order of their sending, also to those that nobody waits for any more.
   */
  renew(): Observable<number>;
  /**
   * Puts changed facts (weight, tags, metadata, draining) in the place of the old ones, without a gap; later heartbeats
   * keep these alive. Cold; completes. Errors with `NOT_FOUND` when the lease is lost.
   */
  update(node: Node): Observable<never>;
  /** Takes it out. Cold; completes; taking out what is gone already is no error. */
  withdraw(): Observable<never>;
}
