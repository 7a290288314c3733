/** Picks a group, then a node of it, and tells of both. */

import { obstacleOf } from '../../core/isRoutable.js';
import type { Node } from '../../core/node.js';
import { NodeSet } from '../../core/nodeSet.js';
import type { LeftOut, Refusal, Why } from '../../core/why.js';
import { AccountedPick } from '../accountedPick.js';
import { CandidateLists, copyOf, lacking, refusalIn } from '../candidates.js';
import { murmur3 } from '../murmur3.js';
import type { NoPick, Pick, PickContext, Picker } from '../picker.js';

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
    if (tried === none || context.strict) return this.#nobody(context, first);
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
    const { requires } = context;
    return new AccountedPick(pick, ({ why }) => this.#why(why, first, index, requires));
  }

  /** The account of the whole set: the group's own, and of everybody else why the call did not go there. */
  #why(inner: Why, first: number, index: number, requires: PickContext['requires']): Why {
    const { shares } = this.#terms;
    const [drawnName, takenName] = [shares[first]![0], shares[index]![0]];
    const refusals = new Map(inner.leftOut.map((each) => [each.node, each]));
    const own = this.#pickers[index]!.set;
    const leftOut: LeftOut[] = [];
    for (const node of this.set.nodes) {
      const refusal = own.has(node.id) ? refusals.get(node.id) : this.#refusalOf(node, requires);
      if (refusal) leftOut.push({ node: node.id, obstacle: refusal.obstacle, reason: refusal.reason });
    }
    const where = index === first ? takenName : `${drawnName} has nobody, fell to ${takenName}`;
    return { strategy: `${name} (${where}): ${inner.strategy}`, candidates: inner.candidates, leftOut };
  }

  /** What keeps a node of another group from the call. */
  #refusalOf(node: Node, requires: PickContext['requires']): Refusal {
    const lacks = requires && !requires.test(node) ? lacking(requires) : undefined;
    return obstacleOf(node) ?? lacks ?? { obstacle: 'elsewhere', reason: this.#elsewhere(this.#terms.inGroup(node)) };
  }

  #elsewhere(group: string | undefined): string {
    if (group === undefined) return 'in no group';
    return this.#terms.shares.some(([each]) => each === group) ? `in group ${group}` : `group ${group} has no share`;
  }

  #nobody({ requires, exclude, strict }: PickContext, first: number): NoPick {
    const { fallback } = this.#terms;
    const asked = fallback ? this.#pickers : [this.#pickers[first]!];
    const nodes = NodeSet.of(asked.flatMap(({ set }) => set.nodes));
    const { pending, code } = new CandidateLists(nodes, name).for(requires).noPick(exclude);
    const excluded = strict && exclude ? copyOf(exclude) : none;
    const group = this.#terms.shares[first]![0];
    const strategy = `${name} (${group} has nobody${fallback ? ', nor has any other group' : ''})`;
    const why = (): Why => ({
      strategy,
      candidates: [],
      leftOut: this.set.nodes.map((node) => ({
        node: node.id,
        ...(refusalIn(excluded, node.id) ?? this.#refusalOf(node, requires)),
      })),
    });
    return {
      node: undefined,
      pending,
      code,
      get why() {
        return why();
      },
    };
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
