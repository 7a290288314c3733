/** One half-open time: the probes that are let through, and what they add up to. */

/** How a breaker finds out whether it may close. */
export interface TrialRules {
  /** So many at once. */
  readonly probes: number;
  /** So many successes pass it: of the probes, or in a row where there are more of them. */
  readonly successes: number;
  /** After so long without an answer a probe has failed. */
  readonly probeTimeoutMs: number;
}

/**
 * It consists of `probes` attempts, or of as many as successes are needed where that is more; those that were cancelled do not
 * count. Once the successes are there it has passed, once they cannot be reached any more it has failed: it ends in any case.
 */
export class Trial {
  succeeded = 0;
  failed = 0;
  private readonly rules: TrialRules;
  private readonly size: number;
  /** When each that runs began; the first in it is the oldest. */
  private readonly running = new Map<number, number>();

  constructor(rules: TrialRules) {
    this.rules = rules;
    this.size = Math.max(rules.probes, rules.successes);
  }

  get ended(): number {
    return this.succeeded + this.failed;
  }

  /** True when one more attempt may begin now. */
  get hasPlace(): boolean {
    return this.running.size < Math.min(this.rules.probes, this.size - this.ended);
  }

  get isPassed(): boolean {
    return this.succeeded >= this.rules.successes;
  }

  get isFailed(): boolean {
    return this.failed > this.size - this.rules.successes;
  }

  /** When the oldest of those that run will have failed; `Infinity` while none does. */
  get timeoutAt(): number {
    const oldest = this.running.values().next();
    return oldest.done ? Infinity : oldest.value + this.rules.probeTimeoutMs;
  }

  enter(pass: number, time: number): void {
    this.running.set(pass, time);
  }

  /** It gives its place back. False: it is none of those that run. */
  leave(pass: number): boolean {
    return this.running.delete(pass);
  }

  /** The oldest fails, since its time is over. */
  timeOut(): void {
    this.running.delete(this.running.keys().next().value!);
    this.failed++;
  }
}
