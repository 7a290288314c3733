/** Where a call meets its user: the account, the deadline, and the one kind of error. */

import type { Subscriber, Unsubscribable } from 'rxjs';
import type { AnswerSink } from '../core/answerSink.js';
import type { Expiring } from '../core/deadlineWheel.js';
import { FleetError } from '../core/fleetError.js';
import { linked } from '../core/linked.js';
import type { SwiftEnds } from '../core/swiftEnds.js';
import type { Call } from './call.js';
import type { MethodMeter } from './callMeter.js';
import { CallRun } from './callRun.js';
import type { Handler } from './middleware.js';
import type { PipelinePorts } from './pipelinePorts.js';
import type { CallEnd } from './policy.js';
import type { RunningCall, RunningCalls } from './runningCalls.js';

/** What a surface needs of the client around it. */
export interface SurfacePorts<C> extends PipelinePorts<C> {
  /** The pipeline with the middlewares around it; undefined when there are none. */
  readonly handler: Handler<C> | undefined;
  /** Told of failures that come within the start. */
  readonly swiftEnds: SwiftEnds;
  /** The calls that run. */
  readonly running: RunningCalls;
}

/**
 * Runs a call for its subscriber. Fails it with `DEADLINE_EXCEEDED` when its deadline comes, cancelling what runs; the error
 * lists every attempt, the one that was cut short included. Whatever a middleware throws is a `FleetError` of the call.
 *
 *     call        ---------a|
 *     deadline    -----#
 */
export class CallSurface<C, R> implements AnswerSink<R>, Expiring, RunningCall, Unsubscribable {
  before: RunningCall | undefined = undefined;
  after: RunningCall | undefined = undefined;
  private readonly call: Call<C, R>;
  private readonly ports: SurfacePorts<C>;
  private readonly subscriber: Subscriber<R>;
  private readonly method: MethodMeter;
  private inner: Unsubscribable | undefined = undefined;
  private starting = true;
  /** The failure is yet to be told. */
  private telling: Unsubscribable | undefined = undefined;
  private messages = 0;

  constructor(call: Call<C, R>, ports: SurfacePorts<C>, subscriber: Subscriber<R>) {
    this.call = call;
    this.ports = ports;
    this.subscriber = subscriber;
    this.method = ports.meter.of(call.name);
  }

  private get over(): boolean {
    return this.call.over;
  }

  start(): void {
    const { call, ports } = this;
    this.method.inFlight++;
    ports.running.add(this);
    if (ports.events.observed) ports.events.next({ type: 'callStarted', at: call.startedAt, call });
    // Who was told of it may have closed the client.
    if (this.over) return;
    if (call.deadline !== Infinity) ports.wheel.add(call.deadline, this);
    if (ports.handler === undefined) {
      const run = new CallRun(call, ports, this, call.begunAt);
      this.inner = run;
      run.begin();
    } else this.startWithin(ports.handler);
    this.starting = false;
  }

  next(answer: R): void {
    if (this.over) return;
    if (++this.messages > 1 && this.call.single) {
      this.inner?.unsubscribe();
      this.error(new FleetError('INTERNAL', `${this.call.name} gave more than one answer: a middleware repeats it`));
      return;
    }
    this.subscriber.next(answer);
    // Who leaves within the start is not heard otherwise before it has ended.
    if (this.starting && this.subscriber.closed) this.unsubscribe();
  }

  error(thrown: unknown): void {
    if (this.over) return;
    const error = FleetError.from(thrown);
    this.end(error.code, error);
    if (this.starting) this.telling = this.ports.swiftEnds.tell(() => this.subscriber.error(error));
    else this.subscriber.error(error);
  }

  complete(): void {
    if (this.over) return;
    this.end('OK', undefined);
    this.subscriber.complete();
  }

  /** Called by the deadline wheel. */
  expire(): void {
    if (this.over) return;
    const { call } = this;
    call.expired = true;
    this.inner?.unsubscribe();
    const ms = Math.round(call.deadline - call.startedAt);
    const waited = call.attempts.length
      ? ''
      : call.picks === 0
        ? ': it never came to a node'
        : ': no node was ready to take it';
    this.cutShort('DEADLINE_EXCEEDED', `${call.name} had no answer within ${ms} ms${waited}`);
  }

  /** Its client is gone. */
  close(): void {
    if (this.over) return;
    this.inner?.unsubscribe();
    this.cutShort('CLOSED', `${this.call.name} was not over when its client was closed`);
  }

  /** Given up by its user. */
  unsubscribe(): void {
    this.telling?.unsubscribe();
    if (this.over) return;
    this.inner?.unsubscribe();
    // Who takes the one answer and leaves has got what was asked for.
    this.end(this.call.single && this.messages > 0 ? 'OK' : 'CANCELLED', undefined);
  }

  /** Fails it from outside; what ran is cancelled by then, and in the account. */
  private cutShort(code: FleetError['code'], message: string): void {
    const { attempts, decisions } = this.call;
    this.error(new FleetError(code, message, { attempts, decisions, sent: attempts.length > 0 }));
  }

  private startWithin(handler: Handler<C>): void {
    try {
      linked(handler(this.call), this, (inner) => (this.inner = inner));
    } catch (thrown) {
      this.error(thrown);
    }
  }

  /** The call is over, so what a policy throws is not its error; as with a listener, whoever watches the process is told. */
  private tell(told: SurfacePorts<C>['ending'][number], end: CallEnd): void {
    try {
      told(this.call, end);
    } catch (thrown) {
      this.ports.scheduler.schedule(() => {
        throw thrown;
      });
    }
  }

  private end(code: FleetError['code'] | 'OK', error: FleetError | undefined): void {
    this.call.over = true;
    const { call, ports, messages } = this;
    // First, since whoever is told of it may close the client.
    ports.running.delete(this);
    const { deadline, begunAt, firstAnswerAt } = call;
    if (deadline !== Infinity) ports.wheel.delete(deadline, this);
    const at = call.endedAt || ports.clock();
    const latencyMs = at - begunAt;
    const firstMessageMs = firstAnswerAt === 0 ? undefined : firstAnswerAt - begunAt;
    this.method.ended(code, latencyMs, firstMessageMs, at);
    if (ports.ending.length > 0) {
      const end = { code, error, latencyMs, firstMessageMs, messages };
      for (const told of ports.ending) this.tell(told, end);
    }
    if (ports.events.observed) {
      ports.events.next({ type: 'callEnded', at: ports.now(), call, code, error, latencyMs, firstMessageMs, messages });
    }
  }
}
