/**
 * How many copies of slow calls may be without an answer at a time.
 *
 * A budget counts what a copy costs, and learns that it was in vain when its call is over. A fleet that answers nobody looks
 * like a slow one until then, and would see each call twice. So copies that nobody has answered are bounded, too, by the
 * same figures: the part of the calls in flight that the budget pays for, and what it always gives in a second. Where
 * nodes answer, copies are over sooner than the calls that they are of, and come to much less.
 */

import type { RetryBudget } from '../core/retryBudget.js';

export class OpenCopies {
  private open = 0;
  private readonly budget: RetryBudget;
  private readonly calls: { readonly size: number };

  /** @param calls those in flight. */
  constructor(budget: RetryBudget, calls: { readonly size: number }) {
    this.budget = budget;
    this.calls = calls;
  }

  get full(): boolean {
    return this.open >= this.budget.copiesAtOnce(this.calls.size);
  }

  opened(): void {
    this.open++;
  }

  closed(count: number): void {
    this.open -= count;
  }
}
