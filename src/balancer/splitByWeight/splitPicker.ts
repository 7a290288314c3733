/** Picks a group, then a node of it, and tells of both. */

import { isRoutable, whyNotRoutable } from '../../core/isRoutable.js';
import type { Node } from '../../core/node.js';
import { NodeSet } from '../../core/nodeSet.js';
import type { Outcome } from '../../core/nodeStats.js';
import { CandidateLists } from '../candidates.js';
import { murmur3 } from '../murmur3.js';
import type { NoPick, Pick, PickContext, Picker, Why } from '../picker.js';

/** What a split was made with. */
export interface SplitTerms {
  /** Name and weight of each group; each weight is more than 0. */
  readonly shares: readonly (readonly [string, number])[];
  readonly inGroup: (node: Node) => string | undefined;
  readonly fallback: boolean;
  readonly salt: string;
  readonly random: () => number;
}

const name = 'split_by_weight';
/** Keys are hashed otherwise than by the balancers within the groups, or a group would see only a part of the ring. */
const seed = 0x53504c54;

export class SplitPicker implements Picker {
  readonly set: NodeSet;
  readonly #pickers: readonly Picker[];
  readonly #terms: SplitTerms;
  /** The candidates of each group, for calls that were tried before; made when first asked for. */
  readonly #lists: (CandidateLists | undefined)[];

  constructor(set: NodeSet, pickers: readonly Picker[], terms: SplitTerms) {
    this.set = set;
    this.#pickers = pickers;
    this.#terms = terms;
    this.#lists = pickers.map(() => undefined);
  }

  pick(context: PickContext): Pick | NoPick {
    const { shares, fallback, salt, random } = this.#terms;
    const hash = context.key === undefined ? undefined : murmur3(context.key, salt === '' ? seed : murmur3(salt, seed));
    const first = drawn(shares, hash === undefined ? random() : hash / 2 ** 32, none);
    const tried = context.exclude?.size ? context.exclude : none;
    if (tried === none || this.#hasUntried(first, context)) {
      const pick = this.#pickers[first]!.pick(context);
      if (pick.node) return this.#picked(pick, first, first, context);
      if (!fallback) return this.#nobody(context, first);
    }
    if (fallback) {
      const empty = new Set([first]);
      while (empty.size < shares.length) {
        // Another draw for each, so that the calls of a group that is down do not all fall to one other.
        const chance = hash === undefined ? random() : murmur3(context.key!, hash + empty.size) / 2 ** 32;
        const next = drawn(shares, chance, empty);
        empty.add(next);
        if (tried !== none && !this.#hasUntried(next, context)) continue;
        const pick = this.#pickers[next]!.pick(context);
        if (pick.node) return this.#picked(pick, first, next, context);
      }
    }
    if (tried === none) return this.#nobody(context, first);
    // Nobody is left who was not tried: the draw stands, then whoever there is.
    for (const index of fallback ? [first, ...shares.keys()] : [first]) {
      const pick = this.#pickers[index]!.pick(context);
      if (pick.node) return this.#picked(pick, first, index, context);
    }
    return this.#nobody(context, first);
  }

  #hasUntried(index: number, { requires, exclude }: PickContext): boolean {
    const lists = (this.#lists[index] ??= new CandidateLists(this.#pickers[index]!.set, name));
    const candidates = lists.for(requires);
    return candidates.nodes.length > 0 && candidates.hasOther(exclude!);
  }

  #picked(pick: Pick, first: number, index: number, context: PickContext): Pick {
    return new SplitPick(pick, () => this.#why(pick.why, first, index, context.requires));
  }

  /** The account of the whole set: the group's own, and of everybody else why the call did not go there. */
  #why(inner: Why, first: number, index: number, requires: PickContext['requires']): Why {
    const { shares, inGroup } = this.#terms;
    const [drawnName, takenName] = [shares[first]![0], shares[index]![0]];
    const reasons = new Map(inner.leftOut.map(({ node, reason }) => [node, reason]));
    const own = this.#pickers[index]!.set;
    const leftOut: { node: string; reason: string }[] = [];
    for (const node of this.set.nodes) {
      const group = inGroup(node);
      const reason = own.has(node.id)
        ? reasons.get(node.id)
        : (whyNotRoutable(node) ??
          (requires && !requires.test(node) ? `does not offer ${requires.name}` : undefined) ??
          this.#elsewhere(group));
      if (reason !== undefined) leftOut.push({ node: node.id, reason });
    }
    const where = index === first ? takenName : `${drawnName} has nobody, fell to ${takenName}`;
    return { strategy: `${name} (${where}): ${inner.strategy}`, candidates: this.set.size - leftOut.length, leftOut };
  }

  #elsewhere(group: string | undefined): string {
    if (group === undefined) return 'in no group';
    return this.#terms.shares.some(([each]) => each === group) ? `in group ${group}` : `group ${group} has no share`;
  }

  #nobody({ requires, exclude }: PickContext, first: number): NoPick {
    const { fallback } = this.#terms;
    const asked = fallback ? this.#pickers : [this.#pickers[first]!];
    const nodes = NodeSet.of(asked.flatMap(({ set }) => set.nodes));
    const { pending, code } = new CandidateLists(nodes, name).for(requires).noPick(exclude);
    const group = this.#terms.shares[first]![0];
    const strategy = `${name} (${group} has nobody${fallback ? ', nor has any other group' : ''})`;
    const why = () => ({ strategy, candidates: 0, leftOut: this.#accountOfNobody(requires) });
    return {
      node: undefined,
      pending,
      code,
      get why() {
        return why();
      },
    };
  }

  #accountOfNobody(requires: PickContext['requires']): Why['leftOut'] {
    return this.set.nodes.map((node) => {
      const offers = !requires || requires.test(node);
      const reason = isRoutable(node)
        ? offers
          ? this.#elsewhere(this.#terms.inGroup(node))
          : `does not offer ${requires.name}`
        : whyNotRoutable(node)!;
      return { node: node.id, reason };
    });
  }
}

const none: ReadonlySet<never> = new Set();

/** The index of the share that `chance` (0 to 1) falls on, among those that are not passed over. */
function drawn(shares: SplitTerms['shares'], chance: number, passedOver: ReadonlySet<number>): number {
  let total = 0;
  for (let i = 0; i < shares.length; i++) if (!passedOver.has(i)) total += shares[i]![1];
  let left = chance * total;
  let last = -1;
  for (let i = 0; i < shares.length; i++) {
    if (passedOver.has(i)) continue;
    last = i;
    left -= shares[i]![1];
    if (left < 0) return i;
  }
  return last;
}

class SplitPick implements Pick {
  readonly node: Node;
  readonly #pick: Pick;
  readonly #account: () => Why;

  constructor(pick: Pick, account: () => Why) {
    this.node = pick.node;
    this.#pick = pick;
    this.#account = account;
  }

  end(outcome: Outcome): void {
    this.#pick.end(outcome);
  }

  get why(): Why {
    return this.#account();
  }
}
