/**
 * The run of one call: through the gates, then attempt after attempt until one answers.
 *
 * What it does is a `catchError` switch (`failover`) around each attempt, with a second source raced in where a call is
 * hedged; it is written as one object because a chain of operators costs every call an Observable and a subscriber each. The
 * marbles of `marbles/call` prove it.
 */

import type { Subscription, Unsubscribable } from 'rxjs';
import type { AnswerSink } from '../core/answerSink.js';
import { FleetError } from '../core/fleetError.js';
import { AttemptRun, type AttemptOwner } from './attemptRun.js';
import type { Call } from './call.js';
import type { AttemptReason } from './callEvent.js';
import { GatePass, type GateUser } from './gatePass.js';
import { isNonFatal } from './hedgeDelay.js';
import { Hedging, type HedgedRun } from './hedging.js';
import type { PipelinePorts } from './pipelinePorts.js';
import { costsTokens, isUntold, retryVerdict, type RetryRefusal } from './retryVerdict.js';
import { StallDetector } from './stallDetector.js';

export class CallRun<C, R> implements AttemptOwner<C, R>, GateUser, HedgedRun, Unsubscribable {
  begunAt: number;
  /** Attempts that count for `maxAttempts`. */
  counted = 0;
  private readonly call: Call<C, R>;
  private readonly ports: PipelinePorts<C>;
  private readonly sink: AnswerSink<R>;
  private over = false;
  private pass: GatePass | undefined = undefined;
  /** The attempt that runs; with hedging there may be others beside it. */
  private current: AttemptRun<C, R> | undefined = undefined;
  private others: AttemptRun<C, R>[] | undefined = undefined;
  /** Attempts begun. */
  private begun = 0;
  private transparentUsed = false;
  /** Attempts up to the last after which a node said how long to wait. */
  private askedFor = 0;
  private spoken = false;
  private messages = 0;
  /** Where nobody is left to try, what the last node said tells more. */
  private standing: FleetError | undefined = undefined;
  private pause: Subscription | undefined = undefined;
  private hedging: Hedging<C, R> | undefined = undefined;
  private stall: StallDetector | undefined = undefined;

  /** @param begunAt when it came here, on the stopwatch: middlewares may have kept it. */
  constructor(call: Call<C, R>, ports: PipelinePorts<C>, sink: AnswerSink<R>, begunAt: number) {
    this.call = call;
    this.begunAt = begunAt;
    this.ports = ports;
    this.sink = sink;
  }

  begin(): void {
    this.ports.budget.deposit(this.call.startedAt);
    if (this.ports.gates.length === 0) return this.admitted();
    this.pass = new GatePass(this.call, this.ports as never, this, this.begunAt);
    this.pass.enter();
  }

  admitted(): void {
    if (this.pass !== undefined) this.begunAt = this.pass.admittedAt;
    this.launch('first');
  }

  refused(error: FleetError): void {
    this.fail(error);
  }

  answered(attempt: AttemptRun<C, R>, answer: R): void {
    if (this.over) return;
    if (!this.spoken) {
      this.spoken = true;
      if (this.others !== undefined) this.keepOnly(attempt);
      this.hedging?.done();
      this.ports.budget.ended?.(true);
    }
    const { continuation } = this.call;
    if (continuation === undefined) return this.sink.next(answer);
    let taken: R | undefined;
    try {
      taken = continuation.take(answer);
    } catch (thrown) {
      attempt.abort(FleetError.from(thrown, 'BAD_RESPONSE'));
      return;
    }
    const stall = continuation.stall ? this.stallDetector(continuation.stall) : undefined;
    stall?.heard();
    if (taken !== undefined) {
      this.messages++;
      this.sink.next(taken);
    }
    stall?.passedOn();
  }

  completed(attempt: AttemptRun<C, R>): void {
    if (this.over) return;
    if (this.others !== undefined) this.keepOnly(attempt);
    this.current = undefined;
    if (!this.spoken) this.ports.budget.ended?.(true);
    this.end('OK');
    this.sink.complete();
  }

  failed(attempt: AttemptRun<C, R>, error: FleetError): void {
    if (this.over) return;
    this.remove(attempt);
    const { hedge } = this.call.options;
    if (attempt.reason === 'hedge') this.copyEnded(attempt);
    if (attempt.node !== undefined) this.tellBudget(attempt, this.isMendable(error, attempt) ? false : undefined);
    if (hedge && !this.spoken && this.current !== undefined) {
      // Of a copy that found no node, those that have one know nothing.
      if (attempt.node === undefined) return;
      if (!isUntold(error, attempt) && !isNonFatal(hedge, error.code)) return this.fail(error);
      this.standing = error;
      this.hedging?.after(error);
      return;
    }
    this.hedging?.disarm();
    if (this.spoken) this.resume(error, attempt);
    else this.retry(error, attempt);
  }

  running(): readonly AttemptRun<C, R>[] {
    if (this.spoken || this.current === undefined) return [];
    return [this.current, ...(this.others ?? [])];
  }

  hedge(): boolean {
    return this.launch('hedge').node !== undefined;
  }

  /** One that found no node was none. */
  private copyEnded({ node }: AttemptRun<C, R>): void {
    this.hedging?.copyEnded();
    if (node !== undefined) return;
    this.counted--;
    this.ports.budget.putBack();
  }

  refusedHedge(): void {
    this.tellRefused('budget', undefined);
  }

  /** Given up by its user, or by its deadline. */
  unsubscribe(): void {
    if (this.over) return;
    const { expired, single } = this.call;
    if (expired) this.end('DEADLINE_EXCEEDED');
    else this.end(single && this.spoken ? 'OK' : 'CANCELLED');
  }

  private launch(reason: AttemptReason): AttemptRun<C, R> {
    const { call, ports } = this;
    // One that is repeated as if it had never been takes the place of the one before.
    const previous = reason === 'transparent' ? this.counted - 1 : this.counted;
    if (reason !== 'transparent') this.counted++;
    const attempt = new AttemptRun(call, ports, this, ++this.begun, reason, previous);
    if (this.current === undefined) this.current = attempt;
    else (this.others ??= []).push(attempt);
    const { hedge } = call.options;
    if (hedge && !this.spoken) (this.hedging ??= new Hedging(hedge, call, ports, this)).arm();
    attempt.pick();
    return attempt;
  }

  private retry(error: FleetError, attempt: AttemptRun<C, R>): void {
    const { call, ports, counted, askedFor, transparentUsed } = this;
    const placed = attempt.node !== undefined;
    const standing = placed ? error : (this.standing ?? error);
    // Who is shut by a breaker or a limiter will be for longer than any back-off.
    const nobodyLeft = !placed && error.code === 'NO_NODES' && call.attempts.length > 0;
    const { options, idempotent } = call;
    const { retry, failover } = options;
    const untold = isUntold(error, attempt);
    const situation = { retry, failover, idempotent, counted, askedFor, transparentUsed, untold, nobodyLeft };
    const verdict = retryVerdict(situation, error, ports.random);
    if (typeof verdict === 'string') return this.giveUp(standing, verdict, error);
    const { delayMs, transparent, pushback } = verdict;
    if (ports.now() + delayMs >= call.deadline) return this.giveUp(standing, 'deadline', error);
    if (!ports.budget.withdraw()) return this.giveUp(standing, 'budget', error);
    this.standing = standing;
    if (transparent) this.transparentUsed = true;
    if (pushback) this.askedFor = counted;
    this.follow(transparent ? 'transparent' : 'retry', delayMs, error, pushback);
  }

  /** After answers were given, another attempt may go on from there. */
  private resume(error: FleetError, attempt: AttemptRun<C, R>): void {
    const { call, ports } = this;
    const { continuation } = call;
    this.stall?.broke();
    // Another node takes over from where the last one stopped; while there is none, those that were tried may come back.
    if (continuation?.resumed && attempt.node === undefined) return this.retry(error, attempt);
    let refusal: RetryRefusal | undefined;
    try {
      if (!continuation?.resume(error, isUntold(error, attempt))) refusal = 'committed';
      else if (ports.now() >= call.deadline) refusal = 'deadline';
      else if (!ports.budget.withdraw()) refusal = 'budget';
      else continuation.tell(error);
    } catch (thrown) {
      const { attempts, decisions } = call;
      return this.fail(FleetError.from(thrown).with({ attempts: attempts.slice(), decisions: decisions.slice() }));
    }
    if (refusal !== undefined) return this.giveUp(error, refusal, error);
    // Who was told of it may have given the call up.
    if (this.over) return;
    this.standing = error;
    if (ports.events.observed) {
      const { code: after } = error;
      const { continuity } = continuation!;
      ports.events.next({
        type: 'resumed',
        ...{ at: ports.now(), call, attempt: this.begun + 1, after, messages: this.messages, continuity },
      });
    }
    this.follow('resume', 0, error, false);
  }

  /** Another attempt, at once or after a wait. */
  private follow(reason: AttemptReason, delayMs: number, after: FleetError, pushback: boolean): void {
    const { call, ports } = this;
    if (ports.events.observed) {
      ports.events.next({
        type: 'retryScheduled',
        ...{ at: ports.now(), call, attempt: this.begun + 1, reason, delayMs, after: after.code, pushback },
      });
    }
    ports.meter.retried(call.name, reason);
    // Who was told of it may have given the call up.
    if (this.over) return;
    if (delayMs === 0) return void this.launch(reason);
    this.pause = ports.scheduler.schedule(() => {
      this.pause = undefined;
      this.launch(reason);
    }, delayMs);
  }

  private remove(attempt: AttemptRun<C, R>): void {
    if (attempt === this.current) this.current = this.others?.shift();
    else if (this.others) this.others.splice(this.others.indexOf(attempt), 1);
  }

  /** The first answer counts; the others are cancelled. */
  private keepOnly(attempt: AttemptRun<C, R>): void {
    const all = [this.current, ...(this.others ?? [])];
    this.current = attempt;
    this.others = undefined;
    for (const other of all) if (other !== attempt) other?.outrun();
  }

  private stallDetector(options: Exclude<NonNullable<Call<C, R>['continuation']>['stall'], false>): StallDetector {
    const { wheel, now } = this.ports;
    const { demand, firstAnswerAt } = this.call;
    const stalled = (silentMs: number, usualMs: number) => this.stalled(silentMs, usualMs);
    return (this.stall ??= new StallDetector(options, firstAnswerAt - this.begunAt, { wheel, now, demand, stalled }));
  }

  private stalled(silentMs: number, usualMs: number): boolean {
    const { ports, call, current: attempt } = this;
    // It may wait for a node, or for its turn.
    if (attempt?.node === undefined) return false;
    const { node, number } = attempt;
    if (ports.events.observed) {
      ports.events.next({ type: 'stalled', at: ports.now(), call, attempt: number, node, silentMs, usualMs });
    }
    const gap = Math.round(usualMs);
    const text = `node ${node.id} fell silent for ${Math.round(silentMs)} ms amid its answer, where ${gap} ms are usual`;
    attempt.silent = true;
    attempt.abort(new FleetError('UNAVAILABLE', text, { node: node.id }));
    return true;
  }

  private giveUp(standing: FleetError, reason: RetryRefusal, error: FleetError): void {
    this.tellRefused(reason, error.code);
    this.fail(standing);
  }

  private tellBudget({ number }: AttemptRun<C, R>, ok: false | undefined): void {
    const { budget } = this.ports;
    budget.ended?.(ok);
    if (ok === false && number > 1) budget.wasted?.();
  }

  /** Whether another attempt of this call may do better, by the codes that it goes by. */
  private isMendable(error: FleetError, attempt: AttemptRun<C, R>): boolean {
    const { options, continuation } = this.call;
    if (isUntold(error, attempt) || costsTokens(error, options)) return true;
    return this.spoken && continuation?.codes.includes(error.code) === true;
  }

  /** The time is over, and none of those that run has answered. */
  private tellWasted(): void {
    for (const { number, node } of this.running()) if (number > 1 && node !== undefined) this.ports.budget.wasted?.();
  }

  private tellRefused(reason: RetryRefusal, code: FleetError['code'] | undefined): void {
    const { call, ports } = this;
    if (reason === 'budget') ports.meter.refused(call.name);
    if (ports.events.observed) ports.events.next({ type: 'retryRefused', at: ports.now(), call, reason, code });
  }

  private fail(error: FleetError): void {
    if (this.over) return;
    this.end(error.code);
    this.sink.error(error);
  }

  /** Cancels what runs, and gives back what it holds. */
  private end(code: FleetError['code'] | 'OK'): void {
    this.over = true;
    const { current, others } = this;
    this.hedging?.done();
    this.pause?.unsubscribe();
    this.stall?.stop();
    if (code === 'DEADLINE_EXCEEDED' && !this.spoken) this.tellWasted();
    current?.unsubscribe();
    if (others !== undefined) for (const other of others) other.unsubscribe();
    this.pass?.leave(code);
  }
}
