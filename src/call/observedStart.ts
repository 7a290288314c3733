/** From an Observable a try to the way in which the pipeline starts one. */

import type { Observable } from 'rxjs';
import type { AttemptContext, StartAttempt } from './call.js';
import { intoSink } from './intoSink.js';

/** Each try subscribes to what `run` gives for it. What `run` throws, the start throws. */
export function observedStart<C, R>(
  run: (connection: C, attempt: AttemptContext) => Observable<R>,
): StartAttempt<C, R> {
  return (connection, attempt, sink) => intoSink(run(connection, attempt), attempt.call, sink);
}
