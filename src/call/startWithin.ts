/** An attempt within the middlewares around attempts. */

import { Observable, type Unsubscribable } from 'rxjs';
import type { AnswerSink } from '../core/answerSink.js';
import type { AttemptContext, Call } from './call.js';
import { intoSink } from './intoSink.js';
import type { AttemptCall, AttemptHandler } from './middleware.js';

/** Starts it; what they see and may replace is what `context` says now. */
export function startWithin<C, R>(
  around: (innermost: AttemptHandler<C>) => AttemptHandler<C>,
  call: Call<C, R>,
  connection: C,
  { number, previous, node, options, deadline, metadata, demand, watcher }: AttemptContext,
  sink: AnswerSink<R>,
): Unsubscribable {
  const seen = { call, connection, number, previous, node, options, deadline, metadata, demand, watcher };
  const innermost = (inner: AttemptCall<C, R>) =>
    new Observable<R>((subscriber) =>
      call.start(inner.connection, inner, {
        next: (value) => subscriber.next(value),
        error: (error) => subscriber.error(error),
        complete: () => subscriber.complete(),
        status: (status) => sink.status?.(status),
        single: () => sink.single?.(),
      }),
    );
  return intoSink(around(innermost as never)(seen), call, sink);
}
