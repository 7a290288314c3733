/**
 * Turns in proportion to rates, each as evenly spread as it can be.
 *
 * Earliest eligible virtual deadline first (I. Stoica, H. Abdel-Wahab 1995; WF2Q+ in packet scheduling): the k-th turn of a party with
 * share `s` of all turns may not begin before `(k - 1) / s` and is due at `k / s`; of those that may begin, the one due
 * first is taken. Nobody is ever a whole turn ahead of its share, and over a cycle whole rates are kept exactly. Plain
 * earliest deadline first keeps the rates too, but lets a heavy party take its turns in a row.
 */

import { IndexHeap } from './indexHeap.js';

/** Rounding of a begin, in turns. */
const tolerance = 1e-6;
/** Counters are brought back after at least this many turns, so that they stay exact. */
const minPeriod = 1_024;

export class FairTurns {
  private readonly rates: Float64Array;
  /** Turns between two of each party, on average. */
  private readonly strides: Float64Array;
  private readonly taken: Float64Array;
  private readonly begins: Float64Array;
  private readonly dues: Float64Array;
  private readonly waiting: IndexHeap;
  private readonly eligible: IndexHeap;
  private readonly cycles: number;
  private readonly period: number;
  /** Turns taken by all. */
  private now: number;

  /**
   * @param rates over 0.
   * @param leads how far each is ahead of its share from the start, in turns of its own: what `lead` said before a change.
   */
  constructor(rates: readonly number[], leads: readonly number[]) {
    const total = rates.reduce((sum, rate) => sum + rate, 0);
    this.rates = Float64Array.from(rates);
    this.strides = this.rates.map((rate) => total / rate);
    this.now = leads.reduce((sum, lead) => sum + lead, 0);
    // What is ahead of a share stays so, also when the leads of those who are left do not balance.
    this.taken = Float64Array.from(leads);
    this.begins = this.taken.map((taken, party) => taken * this.strides[party]!);
    this.dues = this.begins.map((begin, party) => begin + this.strides[party]!);
    this.cycles = Math.max(1, Math.ceil(minPeriod / total));
    this.period = this.cycles * total;
    this.waiting = new IndexHeap(this.begins);
    this.eligible = new IndexHeap(this.dues);
    rates.forEach((_, party) => this.waiting.push(party));
  }

  /** Whose turn it is; O(log n), and at once when there is one party. */
  take(): number {
    const { waiting, eligible, begins } = this;
    if (begins.length === 1) return 0;
    if (this.now >= this.period) this.bringBack();
    const latest = this.now + tolerance;
    while (waiting.size > 0 && begins[waiting.first]! <= latest) eligible.push(waiting.pop());
    const party = eligible.size > 0 ? eligible.pop() : waiting.pop();
    this.now++;
    this.reckon(party, this.taken[party]! + 1);
    waiting.push(party);
    return party;
  }

  /** How far a party is ahead of its share, in turns of its own; below 0 when it is behind. */
  lead(party: number): number {
    return this.taken[party]! - this.now / this.strides[party]!;
  }

  private reckon(party: number, taken: number): void {
    this.taken[party] = taken;
    this.begins[party] = taken * this.strides[party]!;
    this.dues[party] = (taken + 1) * this.strides[party]!;
  }

  private bringBack(): void {
    const { cycles, rates } = this;
    this.now -= this.period;
    for (let party = 0; party < rates.length; party++) this.reckon(party, this.taken[party]! - cycles * rates[party]!);
  }
}
