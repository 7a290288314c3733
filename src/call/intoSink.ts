/** From an Observable to the sink of a try. */

import type { Observable, Subscription } from 'rxjs';
import type { AnswerSink } from '../core/answerSink.js';
import { linked } from '../core/linked.js';
import type { StartContext } from './call.js';

/** Subscribes to the answers, but to none after the call is over: it may be so before this has returned. */
export function intoSink<R>(
  answers$: Observable<R>,
  call: StartContext['call'],
  sink: Pick<AnswerSink<R>, 'next' | 'error' | 'complete'>,
): Subscription {
  let subscription: Subscription | undefined;
  return linked(
    answers$,
    {
      next(value) {
        sink.next(value);
        if (call.over) subscription!.unsubscribe();
      },
      error: (error: unknown) => sink.error(error),
      complete: () => sink.complete(),
    },
    (inner) => (subscription = inner),
  );
}
