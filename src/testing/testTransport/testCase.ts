/** One case of the transport suite. */

import type { World } from './world.js';

/** What a protocol may be unable to do. */
export type TransportFeature =
  /** Requests and answers at the same time. */
  | 'bidiStreaming'
  /** Noticing a GOAWAY, and ending running calls after it. */
  | 'goodbye';

/** Adds a case, which runs in a world of its own; `needs` names what a protocol must be able to do for it. */
export type TestCase = (title: string, body: (world: World) => Promise<void>, needs?: TransportFeature) => void;
