/** Where the answers of one try go, below the Observables: what an Observable is wrapped around, once, at the surface. */

import type { CallStatus } from './channel.js';

/**
 * Takes answers like an Observer: values, then an error or a completion, and nothing after that. A `Subscriber` is one.
 * May be called within the call that starts the try.
 */
export interface AnswerSink<R> {
  next(value: R): void;
  error(error: unknown): void;
  complete(): void;
  /** How the call ended on the wire, just before the error or the completion; for tries that end on one. */
  status?(status: CallStatus): void;
  /** The answer that follows is the only one, whose arrival means success; for tries of which that is not known before. */
  single?(): void;
}
