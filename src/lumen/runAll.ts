/** Many requests at once: as many in flight as asked for, results as they finish, each failure its own. */

import { from, isObservable, Observable, type Subscription } from 'rxjs';
import { FleetError } from '../core/fleetError.js';
import { requireOption } from '../core/requireOption.js';

/** How far a batch has come. */
export interface BatchProgress {
  /** Requests that are over, answered or failed. */
  readonly done: number;
  /** Those of them that failed. */
  readonly failed: number;
  /** All requests; unknown until the source has ended, unless it is a list. */
  readonly total: number | undefined;
  readonly inFlight: number;
}

/** One request of a batch that is over: `result` or `error` is set. */
export interface BatchItem<Q, R> {
  /** Its place in the source, from 0. */
  readonly index: number;
  readonly request: Q;
  readonly result?: R;
  readonly error?: FleetError;
  readonly progress: BatchProgress;
}

/** Where the requests of a batch come from. */
export type BatchSource<Q> = Iterable<Q> | AsyncIterable<Q> | Observable<Q>;

/**
 * Runs `run` for each request, at most `concurrency` at once.
 *
 *     requests   (abc|)            concurrency 2
 *     run a      ---a|
 *     run b      -----#
 *     run c         ----c|         begins when a is over
 *     items      ---a-bc|          b with its error
 *
 * Lists, generators and AsyncIterables are asked for the next request only when there is room for it, so a source of
 * any length takes no memory. An Observable cannot be held back: what it emits meanwhile waits in memory.
 * Never errors for a request's sake. When the source itself fails, the requests in flight end first, then the error
 * follows. Unsubscribing cancels all and ends the source.
 *
 * @param run One request, as an Observable whose last value is the result.
 */
export function runAll<Q, R>(
  requests: BatchSource<Q>,
  run: (request: Q) => Observable<R>,
  concurrency: number,
): Observable<BatchItem<Q, R>> {
  requireOption(concurrency >= 1, 'concurrency', 'at least 1', concurrency);
  return new Observable((subscriber) => {
    const batch = new Batch<Q, R>(run, concurrency, sizeOf(requests), {
      item: (item) => subscriber.next(item),
      end: (error) => (error ? subscriber.error(error) : subscriber.complete()),
    });
    subscriber.add(() => batch.cancel());
    batch.begin(requests);
  });
}

interface BatchSink<Q, R> {
  item(item: BatchItem<Q, R>): void;
  end(error: FleetError | undefined): void;
}

class Batch<Q, R> {
  readonly #running = new Set<Subscription>();
  readonly #queue: Q[] = [];
  #iterator: Iterator<Q> | AsyncIterator<Q> | undefined;
  #source: Subscription | undefined;
  #sourceEnded = false;
  #sourceError: FleetError | undefined;
  #pulling = false;
  #filling = false;
  #over = false;
  #started = 0;
  #inFlight = 0;
  #done = 0;
  #failed = 0;

  constructor(
    private readonly run: (request: Q) => Observable<R>,
    private readonly concurrency: number,
    private readonly size: number | undefined,
    private readonly sink: BatchSink<Q, R>,
  ) {}

  begin(requests: BatchSource<Q>): void {
    if (isObservable(requests)) {
      this.#source = requests.subscribe({
        next: (request) => {
          this.#queue.push(request);
          this.#fill();
        },
        error: (error: unknown) => this.#endSource(error),
        complete: () => this.#endSource(),
      });
      return;
    }
    try {
      this.#iterator =
        Symbol.asyncIterator in requests ? requests[Symbol.asyncIterator]() : requests[Symbol.iterator]();
      this.#fill();
    } catch (error) {
      this.#endSource(error);
    }
  }

  cancel(): void {
    this.#over = true;
    for (const running of this.#running) running.unsubscribe();
    this.#source?.unsubscribe();
    if (this.#sourceEnded || !this.#iterator) return;
    this.#sourceEnded = true;
    try {
      const returned = this.#iterator.return?.();
      if (isPending(returned)) from(returned).subscribe({ error: () => undefined });
    } catch {
      // The source failed to clean up after itself; the batch is over all the same.
    }
  }

  /** Starts requests while there is room. Not re-entered: a request may be over at once, and a long list of such is no stack. */
  #fill(): void {
    if (this.#filling) return;
    this.#filling = true;
    while (!this.#over && this.#inFlight < this.concurrency) {
      if (this.#queue.length > 0) this.#start(this.#queue.shift()!);
      else if (!this.#pull()) break;
    }
    this.#filling = false;
    this.#endIfOver();
  }

  /** Asks the source for one request; false when none can be had right now. */
  #pull(): boolean {
    if (!this.#iterator || this.#pulling || this.#sourceEnded) return false;
    let item: IteratorResult<Q> | PromiseLike<IteratorResult<Q>>;
    try {
      item = this.#iterator.next();
    } catch (error) {
      this.#endSource(error);
      return false;
    }
    if (!isPending(item)) return this.#take(item);
    this.#pulling = true;
    from(item).subscribe({
      next: (result) => {
        this.#pulling = false;
        if (this.#take(result)) this.#fill();
      },
      error: (error: unknown) => {
        this.#pulling = false;
        this.#endSource(error);
      },
    });
    return false;
  }

  #take(result: IteratorResult<Q>): boolean {
    if (result.done) this.#endSource();
    else this.#queue.push(result.value);
    return !result.done;
  }

  #endSource(error?: unknown): void {
    if (this.#sourceEnded) return;
    this.#sourceEnded = true;
    if (error !== undefined) {
      const { message } = error instanceof Error ? error : { message: String(error) };
      this.#sourceError = new FleetError('CANCELLED', `the source of the requests failed: ${message}`, {
        cause: error,
      });
    }
    if (!this.#filling) this.#endIfOver();
  }

  #start(request: Q): void {
    const index = this.#started++;
    let result: R | undefined;
    let answered = false;
    this.#inFlight++;
    const finish = (outcome: { result: R } | { error: FleetError }) => {
      this.#inFlight--;
      this.#done++;
      if ('error' in outcome) this.#failed++;
      this.#running.delete(running!);
      this.sink.item({ index, request, ...outcome, progress: this.#progress() });
      this.#fill();
    };
    let running: Subscription | undefined;
    let answer$: Observable<R>;
    try {
      answer$ = this.run(request);
    } catch (error) {
      finish({ error: FleetError.from(error) });
      return;
    }
    running = answer$.subscribe({
      next: (value) => {
        result = value;
        answered = true;
      },
      error: (error: unknown) => finish({ error: FleetError.from(error) }),
      complete: () =>
        finish(
          answered ? { result: result! } : { error: new FleetError('BAD_RESPONSE', 'it ended without an answer') },
        ),
    });
    if (!running.closed) this.#running.add(running);
  }

  #progress(): BatchProgress {
    const known = this.size ?? (this.#sourceEnded ? this.#started + this.#queue.length : undefined);
    return { done: this.#done, failed: this.#failed, total: known, inFlight: this.#inFlight };
  }

  #endIfOver(): void {
    if (this.#over || !this.#sourceEnded || this.#inFlight > 0 || this.#queue.length > 0) return;
    this.#over = true;
    this.sink.end(this.#sourceError);
  }
}

/** How many requests a list has; undefined for a source that does not say. */
function sizeOf(requests: unknown): number | undefined {
  if (Array.isArray(requests)) return requests.length;
  return requests instanceof Set || requests instanceof Map ? requests.size : undefined;
}

function isPending<T>(value: T | PromiseLike<T> | undefined): value is PromiseLike<T> {
  return typeof (value as PromiseLike<T> | undefined)?.then === 'function';
}
