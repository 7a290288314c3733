/** One use of a resource, as the work on it sees it. */

import type { AttemptContext, CallOptions } from '../../call/call.js';
import type { MessageWatcher } from '../../core/channel.js';
import type { Demand } from '../../core/demand.js';
import type { Metadata } from '../../core/metadata.js';
import type { Node } from '../../core/node.js';

export class PoolAttempt implements AttemptContext {
  readonly #attempt: AttemptContext;
  #controller: AbortController | undefined;

  constructor(attempt: AttemptContext) {
    this.#attempt = attempt;
  }

  /** Aborts when the use is given up before it is done: by its user, its deadline, or because another member was faster. */
  get signal(): AbortSignal {
    return (this.#controller ??= new AbortController()).signal;
  }

  get number(): number {
    return this.#attempt.number;
  }

  get previous(): number {
    return this.#attempt.previous;
  }

  get node(): Node {
    return this.#attempt.node;
  }

  get options(): CallOptions {
    return this.#attempt.options;
  }

  get deadline(): number {
    return this.#attempt.deadline;
  }

  get metadata(): Metadata | undefined {
    return this.#attempt.metadata;
  }

  get demand(): Demand | undefined {
    return this.#attempt.demand;
  }

  get watcher(): MessageWatcher | undefined {
    return this.#attempt.watcher;
  }

  abort(): void {
    this.#controller?.abort();
  }
}
