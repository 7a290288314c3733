/** The calls of a client that run: a list through the calls themselves, since every call goes in and out of it. */

/** A call in the list. */
export interface RunningCall {
  before: RunningCall | undefined;
  after: RunningCall | undefined;
  /** Its client is gone: it fails. */
  close(): void;
}

export class RunningCalls {
  size = 0;
  private last: RunningCall | undefined = undefined;
  private readonly idle: () => void;

  /** @param idle called when the last one has ended. */
  constructor(idle: () => void) {
    this.idle = idle;
  }

  add(call: RunningCall): void {
    const { last } = this;
    call.before = last;
    if (last !== undefined) last.after = call;
    this.last = call;
    this.size++;
  }

  delete(call: RunningCall): void {
    const { before, after } = call;
    if (before !== undefined) before.after = after;
    if (after !== undefined) after.before = before;
    else this.last = before;
    call.before = undefined;
    call.after = undefined;
    if (--this.size === 0) this.idle();
  }

  /** Fails all of them. Whoever is told of it may not begin another. */
  close(): void {
    while (this.last !== undefined) this.last.close();
  }
}
