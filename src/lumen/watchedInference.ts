/** Tells of an inference what happens to it, where somebody looks when it begins. */

import { defer, tap, type Observable } from 'rxjs';
import type { EventSink } from '../core/eventSink.js';
import { FleetError } from '../core/fleetError.js';
import type { Stopwatch } from '../core/stopwatch.js';
import type { InferenceEnded, InferenceEvent, InferenceInfo } from './inferenceEvent.js';
import type { InferRequest } from './inferRequest.js';

export interface WatchedInferencePorts {
  readonly events: EventSink<InferenceEvent>;
  /** In milliseconds since the epoch. */
  readonly now: () => number;
  readonly clock: Stopwatch;
}

let inferences = 0;

/**
 * Runs an inference for each subscription, and tells of its start, its answers and its end.
 *
 *     answers   -a-b|
 *     watched   -a-b|
 *     events    sa-be      s: started  a, b: answered  e: ended
 *
 * @param single Exactly one answer, which means success, also to a user who takes it and leaves.
 * @param run gets what the inference is known by; undefined while nobody looks.
 */
export function watchedInference<R>(
  { events, now, clock }: WatchedInferencePorts,
  { task, model, meta = {} }: InferRequest,
  single: boolean,
  run: (inference: InferenceInfo | undefined) => Observable<R>,
): Observable<R> {
  return defer(() => {
    if (!events.observed) return run(undefined);
    const tasks = typeof task === 'string' ? [task] : task;
    const inference = { id: ++inferences, tasks, model, meta, streamed: !single, startedAt: now() };
    const begunAt = clock();
    let answers = 0;
    let over = false;
    const end = (code: InferenceEnded['code'], error?: FleetError) => {
      if (over) return;
      over = true;
      const latencyMs = clock() - begunAt;
      events.next({ type: 'inferenceEnded', at: now(), inference, code, error, latencyMs, answers });
    };
    events.next({ type: 'inferenceStarted', at: inference.startedAt, inference });
    return run(inference).pipe(
      tap({
        next(answer) {
          answers++;
          const sinceMs = clock() - begunAt;
          events.next({ type: 'inferenceAnswered', at: now(), inference, answer: answer as never, sinceMs });
          if (single) end('OK');
        },
        error(thrown: unknown) {
          const error = FleetError.from(thrown);
          end(error.code, error);
        },
        complete: () => end('OK'),
        unsubscribe: () => end('CANCELLED'),
      }),
    );
  });
}
