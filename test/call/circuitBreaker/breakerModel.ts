/** What a breaker should be: slow and obvious. It forgets nothing, and looks everything up in the list of what happened. */

import type { BreakerState } from '../../../src/call/callEvent.js';
import type { BreakerRules } from '../../../src/call/circuitBreaker/breakerOptions.js';

export type Verdict = 'success' | 'failure' | 'nothing';

/** An attempt that was let in. */
export interface ModelAttempt {
  readonly stint: Stint;
  readonly begunAt: number;
  ended: { readonly at: number; readonly place: number; readonly verdict: Verdict } | undefined;
}

/** A time in one state. */
interface Stint {
  readonly state: BreakerState;
  readonly since: number;
  /** When it is over, where that is known from the beginning. */
  readonly until: number;
}

export class BreakerModel {
  readonly stints: Stint[] = [{ state: 'closed', since: 0, until: Infinity }];
  readonly attempts: ModelAttempt[] = [];
  time = 0;
  private endings = 0;

  constructor(
    private readonly rules: BreakerRules,
    private readonly random: () => number,
  ) {}

  get now(): Stint {
    return this.stints.at(-1)!;
  }

  /** The clock moves by so much; back counts as not at all. */
  pass(ms: number): void {
    this.time += Math.max(0, ms);
  }

  begin(): ModelAttempt | undefined {
    this.settle();
    const stint = this.now;
    const { probes } = this.rules;
    const awaited = this.trialSize - this.judged().length;
    const free =
      stint.state === 'closed' || (stint.state === 'halfOpen' && this.running().length < Math.min(probes, awaited));
    if (!free) return undefined;
    const attempt = { stint, begunAt: this.time, ended: undefined };
    this.attempts.push(attempt);
    return attempt;
  }

  end(attempt: ModelAttempt, verdict: Verdict): void {
    this.settle();
    if (attempt.ended) return;
    attempt.ended = { at: this.time, place: this.endings++, verdict };
    if (attempt.stint === this.now && verdict !== 'nothing') this.judge();
  }

  /** What is due happens. */
  settle(): void {
    if (this.now.state === 'open' && this.time >= this.now.until) this.turn('halfOpen');
    if (this.now.state !== 'halfOpen') return;
    for (const probe of this.running()) {
      if (this.time < probe.begunAt + this.rules.probeTimeoutMs) continue;
      probe.ended = { at: this.time, place: this.endings++, verdict: 'failure' };
      this.judge();
      if (this.now.state !== 'halfOpen') return;
    }
  }

  /** The node has gone, and is back. */
  reset(): void {
    this.turn('closed');
  }

  /** When the next thing happens by itself. */
  get due(): number {
    if (this.now.state === 'open') return this.now.until;
    if (this.now.state === 'closed') return Infinity;
    return Math.min(Infinity, ...this.running().map(({ begunAt }) => begunAt + this.rules.probeTimeoutMs));
  }

  /** Those of this stint that run. */
  running(): ModelAttempt[] {
    return this.attempts.filter(({ stint, ended }) => stint === this.now && !ended);
  }

  /** Those of this stint that ended well or badly, the last to end last. */
  private judged(): ModelAttempt[] {
    return this.attempts
      .filter(({ stint, ended }) => stint === this.now && ended && ended.verdict !== 'nothing')
      .sort((a, b) => a.ended!.place - b.ended!.place);
  }

  private get trialSize(): number {
    return Math.max(this.rules.probes, this.rules.successes);
  }

  private judge(): void {
    const judged = this.judged();
    const failed = judged.filter(({ ended }) => ended!.verdict === 'failure');
    if (this.now.state === 'halfOpen') {
      const { successes } = this.rules;
      if (judged.length - failed.length >= successes) this.turn('closed');
      else if (failed.length > this.trialSize - successes) this.turn('open');
      return;
    }
    if (judged.at(-1)?.ended!.verdict !== 'failure') return;
    const lastSuccess = judged.findLastIndex(({ ended }) => ended!.verdict === 'success');
    const inARow = judged.length - 1 - lastSuccess;
    if (inARow >= this.rules.consecutiveFailures || this.failsTooOften(judged)) this.turn('open');
  }

  private failsTooOften(judged: readonly ModelAttempt[]): boolean {
    const { failureRate } = this.rules;
    if (!failureRate) return false;
    const tenthOf = (at: number) => Math.floor(at / (failureRate.windowMs / 10));
    const recent = judged.filter(({ ended }) => tenthOf(ended!.at) > tenthOf(this.time) - 10);
    const failed = recent.filter(({ ended }) => ended!.verdict === 'failure');
    return recent.length >= failureRate.minimumCalls && failed.length / recent.length >= failureRate.ratio;
  }

  private turn(state: BreakerState): void {
    const lastClosed = this.stints.findLastIndex((stint) => stint.state === 'closed');
    const openings = this.stints.slice(lastClosed).filter((stint) => stint.state === 'open').length;
    const until = state === 'open' ? this.time + this.rules.cooldown(openings + 1, this.random) : Infinity;
    this.stints.push({ state, since: this.time, until });
  }
}
