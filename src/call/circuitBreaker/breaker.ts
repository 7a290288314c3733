/** The states of a circuit breaker, and what brings it from one to the next: pure, told the time, without a timer. */

import type { BreakerState } from '../callEvent.js';
import type { BreakerRules } from './breakerOptions.js';
import { FailureWindow } from './failureWindow.js';
import { Trial } from './trial.js';

/** Told of each change once it has happened; it may ask the breaker, and begin and end attempts. */
export interface BreakerWatcher {
  changed(from: BreakerState, to: BreakerState, reason: string, now: number): void;
}

/**
 * Asked before each attempt, told how it ended.
 *
 *     attempts    f-f-f------s---     f: fails, s: succeeds
 *     state       c---o-----hc---     c: closed, o: open, h: half-open
 *
 * Each attempt bears a pass, which says when it was let in: what it brings back counts only in the state in which it began.
 * So a late failure does not prolong a cooldown, and a late success does not end one. It holds no timer: who wants changes
 * to come by themselves calls `advance` when `dueIn` says so. Time is any clock in milliseconds; if that goes back, the
 * breaker goes on from there.
 */
export class Breaker {
  state: BreakerState = 'closed';
  /** What the attempts bear that begin while it is closed. */
  pass = 1;
  private readonly rules: BreakerRules;
  private readonly random: () => number;
  private readonly watcher: BreakerWatcher;
  private readonly window: FailureWindow | undefined;
  private lastPass = 1;
  private failuresInARow = 0;
  /** How often it opened since it was closed. */
  private openings = 0;
  private retryAt = Infinity;
  private trial: Trial;
  /** The time that it has lived, by all that it was told. */
  private time = 0;
  private told: number;

  constructor(rules: BreakerRules, random: () => number, now: number, watcher: BreakerWatcher) {
    this.rules = rules;
    this.random = random;
    this.watcher = watcher;
    this.told = now;
    this.trial = new Trial(rules);
    this.window = rules.failureRate && new FailureWindow(rules.failureRate.windowMs);
  }

  /** A pass for an attempt that begins now; 0 when it may not. */
  enter(now: number): number {
    this.advance(now);
    if (this.state === 'closed') return this.pass;
    if (this.state === 'open' || !this.trial.hasPlace) return 0;
    const pass = ++this.lastPass;
    this.trial.enter(pass, this.time);
    return pass;
  }

  /** The attempt with this pass was answered: well, unless it took too long. */
  answered(pass: number, tookMs: number, now: number): void {
    if (tookMs > this.rules.slowCallMs) {
      this.failed(pass, now, `an answer after ${Math.round(tookMs)} ms`);
      return;
    }
    if (this.state === 'closed') {
      if (pass !== this.pass) return;
      this.failuresInARow = 0;
      if (this.window !== undefined) this.window.count(false, this.tell(now));
      return;
    }
    this.advance(now);
    if (!this.isProbe(pass)) return;
    this.trial.succeeded++;
    if (this.trial.isPassed) this.close(now);
  }

  /** The attempt with this pass failed. @param how such as `UNAVAILABLE`. */
  failed(pass: number, now: number, how: string): void {
    if (this.state === 'closed') {
      if (pass === this.pass) this.countFailure(now, how);
      return;
    }
    this.advance(now);
    if (!this.isProbe(pass)) return;
    this.trial.failed++;
    if (this.trial.isFailed) this.open(now, this.probesFailed(how));
  }

  /** Of the attempt with this pass nothing is to be learnt: it was cancelled, or it failed by its own fault. */
  undone(pass: number, now: number): void {
    if (this.state === 'closed') return;
    this.advance(now);
    this.isProbe(pass);
  }

  /** Milliseconds until something changes by itself; `Infinity` while nothing will. */
  dueIn(now: number): number {
    const time = this.tell(now);
    if (this.state === 'open') return this.retryAt - time;
    return this.state === 'halfOpen' ? this.trial.timeoutAt - time : Infinity;
  }

  /** What is due by now happens. */
  advance(now: number): void {
    const time = this.tell(now);
    if (this.state === 'open') {
      if (time >= this.retryAt) this.halfOpen('its cooldown is over', now);
      return;
    }
    while (this.state === 'halfOpen' && time >= this.trial.timeoutAt) {
      this.trial.timeOut();
      const how = `no answer within ${this.rules.probeTimeoutMs} ms`;
      if (this.trial.isFailed) this.open(now, this.probesFailed(how));
    }
  }

  /** Lets probes in now, instead of after its cooldown. */
  hasten(reason: string, now: number): void {
    this.advance(now);
    if (this.state === 'open') this.halfOpen(reason, now);
  }

  /** Closed, as if it were new; nobody is told. What runs counts for nothing any more. */
  reset(): void {
    this.forget();
    this.state = 'closed';
  }

  private isProbe(pass: number): boolean {
    return this.state === 'halfOpen' && this.trial.leave(pass);
  }

  private countFailure(now: number, how: string): void {
    const { consecutiveFailures, failureRate } = this.rules;
    const inARow = ++this.failuresInARow;
    const { window } = this;
    if (window !== undefined) window.count(true, this.tell(now));
    if (inARow >= consecutiveFailures) {
      const failures = inARow === 1 ? '1 failure' : `${inARow} failures in a row`;
      this.open(now, `${failures}, the last: ${how}`);
    } else if (window !== undefined && failureRate !== undefined) {
      const { attempts, failures } = window.totals;
      if (attempts < failureRate.minimumCalls || failures / attempts < failureRate.ratio) return;
      const what = `${failures} of ${attempts} attempts failed within ${failureRate.windowMs} ms`;
      this.open(now, `${what}, the last: ${how}`);
    }
  }

  private probesFailed(how: string): string {
    const { failed, ended } = this.trial;
    return ended === 1 ? `the probe failed: ${how}` : `${failed} of ${ended} probes failed, the last: ${how}`;
  }

  private open(now: number, reason: string): void {
    this.retryAt = this.tell(now) + this.rules.cooldown(++this.openings, this.random);
    this.become('open', reason, now);
  }

  private halfOpen(reason: string, now: number): void {
    this.trial = new Trial(this.rules);
    this.become('halfOpen', reason, now);
  }

  private close(now: number): void {
    const { succeeded, ended } = this.trial;
    this.forget();
    this.become('closed', ended === 1 ? 'the probe succeeded' : `${succeeded} of ${ended} probes succeeded`, now);
  }

  private forget(): void {
    this.pass = ++this.lastPass;
    this.openings = 0;
    this.failuresInARow = 0;
    this.window?.clear();
  }

  private become(state: BreakerState, reason: string, now: number): void {
    const from = this.state;
    this.state = state;
    this.watcher.changed(from, state, reason, now);
  }

  private tell(now: number): number {
    if (now > this.told) this.time += now - this.told;
    this.told = now;
    return this.time;
  }
}
