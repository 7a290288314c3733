/** A pick of a balancer within a balancer: the same node and end, and the account of the outer one. */

import type { Node } from '../core/node.js';
import type { Outcome } from '../core/nodeStats.js';
import type { Why } from '../core/why.js';
import type { Pick } from './picker.js';

export class AccountedPick implements Pick {
  readonly node: Node;
  readonly #pick: Pick;
  readonly #account: (inner: Pick) => Why;

  /** @param account from the pick within to the account of the whole; asked when it is read. */
  constructor(pick: Pick, account: (inner: Pick) => Why) {
    this.node = pick.node;
    this.#pick = pick;
    this.#account = account;
  }

  end(outcome: Outcome): void {
    this.#pick.end(outcome);
  }

  release(): void {
    this.#pick.release();
  }

  get why(): Why {
    return this.#account(this.#pick);
  }
}
