/** How a registration stands, as `register()` tells it. */

import type { Node } from '../core/node.js';

/** One moment in the life of a registration. */
export interface Registration {
  /**
   * `registering`: being put in, for the first time or again. `registered`: the registry has it, until `deadline`; comes
   * again with each heartbeat that was answered and each update. `lost`: the registry has dropped it, or may have.
   * `withdrawing`: being taken out; nothing but the end follows.
   */
  readonly state: 'registering' | 'registered' | 'lost' | 'withdrawing';
  /** What the registry lists, or is about to. */
  readonly node: Node;
  /** Under which the registry knows it; not before it was first put in. */
  readonly key?: string;
  /**
   * Until when it is surely listed, in milliseconds since the epoch: the sending of the last heartbeat that was
   * answered, plus the life that was granted. `Infinity` with registries that set none. Only while registered.
   */
  readonly deadline?: number;
  /** How many milliseconds late the last heartbeat was sent; only when that was more than a tenth of the life. */
  readonly lateMs?: number;
  /** Why it was lost, or is not in yet, in a sentence. */
  readonly reason?: string;
}

/** Something that a registration met and survived. */
export interface RegistrationEvent {
  /** The name of the registry. */
  readonly registry: string;
  readonly key?: string;
  /**
   * `failed`: a put, a heartbeat or an update failed and is tried again. `late`: a heartbeat was sent late, since the
   * event loop was held up or the clock was set. `withdrawn`: it is out. `abandoned`: it could not be taken out in
   * time, and goes when its life in the registry ends.
   */
  readonly type: 'failed' | 'late' | 'withdrawn' | 'abandoned';
  readonly message: string;
  readonly cause?: unknown;
}
