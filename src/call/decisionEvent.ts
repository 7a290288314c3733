/** A pick as an event, whose account is made when somebody reads it: in a large fleet it names thousands of nodes. */

import type { NoPick, Pick } from '../balancer/picker.js';
import type { Node } from '../core/node.js';
import type { Candidate, LeftOut, Why } from '../core/why.js';
import type { CallInfo } from './call.js';
import type { DecisionMade } from './callEvent.js';

export class DecisionEvent implements DecisionMade {
  readonly type = 'decision';
  readonly at: number;
  readonly call: CallInfo;
  readonly attempt: number;
  readonly chosen: Node | undefined;
  readonly #pick: Pick | NoPick;
  #why: Why | undefined = undefined;

  constructor(at: number, call: CallInfo, attempt: number, chosen: Node | undefined, pick: Pick | NoPick) {
    this.at = at;
    this.call = call;
    this.attempt = attempt;
    this.chosen = chosen;
    this.#pick = pick;
  }

  get strategy(): string {
    return this.#account().strategy;
  }

  get candidates(): readonly Candidate[] {
    return this.#account().candidates;
  }

  get leftOut(): readonly LeftOut[] {
    return this.#account().leftOut;
  }

  /** With the account, which is no property of its own. */
  toJSON(): object {
    const { type, at, call, attempt, chosen } = this;
    return { type, at, call, attempt, chosen, ...this.#account() };
  }

  #account(): Why {
    return (this.#why ??= this.#pick.why);
  }
}
