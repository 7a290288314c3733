/** A call that was started before there was a connection: it keeps what is asked of it, and does it once there is one. */

import { emptyMetadata } from '../core/metadata.js';
import type { ActiveCall, CallContext, CallSink } from '../core/channel.js';
import type { StatusName } from '../core/errorCodes.js';
import type { Dialer, Session, Waiter } from './dialer.js';

/** Waits for the dialer, then becomes the call that `begin` starts. Its deadline runs from the start. */
export class WaitingCall<I, O, S extends Session> implements ActiveCall<I>, Waiter<S> {
  #call: ActiveCall<I> | undefined;
  #messages: I[] = [];
  #halfClosed = false;
  #credit = 0;
  #over = false;
  #deadline: NodeJS.Timeout | undefined;

  constructor(
    private readonly dialer: Dialer<S>,
    context: CallContext,
    private readonly sink: CallSink<O>,
    private readonly begin: (session: S) => ActiveCall<I>,
  ) {
    if (context.deadline !== undefined) {
      const left = context.deadline - Date.now();
      if (left < 0x7fffffff) this.#deadline = setTimeout(() => this.#expire(), Math.max(0, left));
    }
    dialer.wait(this);
  }

  connected(session: S): void {
    if (this.#over) return;
    clearTimeout(this.#deadline);
    const call = this.begin(session);
    this.#call = call;
    if (this.#credit > 0) call.request(this.#credit);
    let writable = true;
    const held = this.#messages;
    this.#messages = [];
    for (const message of held) writable = call.send(message);
    if (this.#halfClosed) call.halfClose();
    else if (held.length > 0 && writable) this.sink.drain();
  }

  failed(reason: string): void {
    this.#end('UNAVAILABLE', reason);
  }

  send(message: I): boolean {
    if (this.#call) return this.#call.send(message);
    if (!this.#over) this.#messages.push(message);
    return false;
  }

  halfClose(): void {
    if (this.#call) this.#call.halfClose();
    else this.#halfClosed = true;
  }

  request(count: number): void {
    if (this.#call) this.#call.request(count);
    else this.#credit += count;
  }

  cancel(): void {
    if (this.#call) this.#call.cancel();
    else this.#leave();
  }

  #expire(): void {
    this.#end('DEADLINE_EXCEEDED', `the deadline passed while connecting to ${this.dialer.target}`);
  }

  #end(code: StatusName, message: string): void {
    if (this.#over || this.#call) return;
    this.#leave();
    this.sink.end({ code, message, sent: false, trailers: emptyMetadata });
  }

  #leave(): void {
    this.#over = true;
    this.#messages = [];
    clearTimeout(this.#deadline);
    this.dialer.leave(this);
  }
}
