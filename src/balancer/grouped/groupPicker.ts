/** Picks a group, then a node of it, and tells of both. */

import { obstacleOf } from '../../core/isRoutable.js';
import type { Node } from '../../core/node.js';
import { NodeSet } from '../../core/nodeSet.js';
import type { LeftOut, Refusal, Why } from '../../core/why.js';
import { AccountedPick } from '../accountedPick.js';
import { CandidateLists, copyOf, forgetOldest, lacking, refusalIn } from '../candidates.js';
import { murmur3 } from '../murmur3.js';
import type { Excluded, NoPick, Pick, PickContext, Picker, Requirement } from '../picker.js';
import { shownNode } from '../shownNode.js';
import type { Grouping, Shares, Spread } from './grouping.js';

/** A group, and what picks in it now. */
export interface PickingGroup {
  readonly name: string;
  readonly picker: Picker;
}

type Account = (inner: Pick) => Why;

export class GroupPicker implements Picker {
  readonly set: NodeSet;
  private readonly groups: readonly PickingGroup[];
  private readonly grouping: Grouping;
  private readonly spread: Spread;
  private plain: Lots | undefined = undefined;
  private readonly lots = new Map<string, Lots>();
  /** The candidates of each group, for calls that were tried before; made when first asked for. */
  private readonly lists: (CandidateLists | undefined)[];
  private everybody: CandidateLists | undefined = undefined;
  /** The account of a call that went where it was drawn to and requires nothing, by group. */
  private readonly accounts: (Account | undefined)[];
  private united: NodeSet | undefined = undefined;

  constructor(set: NodeSet, groups: readonly PickingGroup[], grouping: Grouping, spread: Spread) {
    this.set = set;
    this.groups = groups;
    this.grouping = grouping;
    this.spread = spread;
    this.lists = groups.map(() => undefined);
    this.accounts = groups.map(() => undefined);
  }

  /** The nodes that the balancers within the groups may pick, where they are not all. */
  get reach(): NodeSet | undefined {
    const { groups } = this;
    if (groups.every(({ picker }) => picker.reach === undefined)) return undefined;
    return (this.united ??= NodeSet.of(
      groups.flatMap(({ picker }) => (picker.reach ?? picker.set).nodes),
      this.set.stale,
    ));
  }

  /** Tells each balancer that has the node: that of its group, and the one of all nodes where there is one. */
  get noted(): Picker['noted'] {
    const { groups } = this;
    if (groups.every(({ picker }) => picker.noted === undefined)) return undefined;
    return (node, outcome) => {
      for (const { picker } of groups) if (picker.set.has(node.id)) picker.noted?.(node, outcome);
    };
  }

  shown(id: string): Node | undefined {
    for (const { picker } of this.groups) {
      const node = shownNode(picker, id);
      if (node !== undefined) return node;
    }
    return undefined;
  }

  pick(context: PickContext): Pick | NoPick {
    const { key, requires, exclude } = context;
    const { random, seed } = this.grouping;
    const lots = requires === undefined ? (this.plain ??= this.lotsFor(undefined)) : this.lotsFor(requires);
    const first = lots.only >= 0 ? lots.only : lots.draw(key === undefined ? random() : murmur3(key, seed) / 2 ** 32);
    if (first < 0) return new CandidateLists(this.set, this.grouping.name).for(requires).noPick(exclude);
    if (exclude !== undefined && exclude.size > 0) return this.pickAgain(lots, first, context);
    const pick = this.groups[first]!.picker.pick(context);
    return pick.node !== undefined ? this.picked(pick, lots, first, first, context) : this.fall(lots, first, context);
  }

  /** For a call that was tried before: nodes that it was not tried on first, whatever their group. */
  private pickAgain(lots: Lots, first: number, context: PickContext): Pick | NoPick {
    if (this.hasUntried(first, context)) {
      const pick = this.groups[first]!.picker.pick(context);
      if (pick.node !== undefined) return this.picked(pick, lots, first, first, context);
    }
    return this.fall(lots, first, context);
  }

  /** The group that was drawn has nobody, or nobody new. */
  private fall(lots: Lots, first: number, context: PickContext): Pick | NoPick {
    const { key, strict } = context;
    const { random, seed } = this.grouping;
    const again = context.exclude !== undefined && context.exclude.size > 0;
    if (lots.falls) {
      const hash = key === undefined ? 0 : murmur3(key, seed);
      const empty = new Set([first]);
      for (;;) {
        // Another draw for each, so that the calls of a group that is down do not all fall to one other.
        const chance = key === undefined ? random() : murmur3(key, hash + empty.size) / 2 ** 32;
        const next = lots.drawNext(chance, empty);
        if (next < 0) break;
        empty.add(next);
        if (again && !this.hasUntried(next, context)) continue;
        const pick = this.groups[next]!.picker.pick(context);
        if (pick.node !== undefined) return this.picked(pick, lots, first, next, context);
      }
    }
    if (!again || strict) return this.nobody(lots, first, context);
    // Nobody is left who was not tried: the draw stands, then whoever there is.
    for (const index of lots.falls ? [first, ...this.groups.keys()] : [first]) {
      const pick = this.groups[index]!.picker.pick(context);
      if (pick.node !== undefined) return this.picked(pick, lots, first, index, context);
    }
    return this.nobody(lots, first, context);
  }

  private lotsFor(requires: Requirement | undefined): Lots {
    if (requires === undefined) return new Lots(this.spread.sharesFor(undefined));
    let lots = this.lots.get(requires.name);
    if (lots === undefined) {
      lots = new Lots(this.spread.sharesFor(requires));
      forgetOldest(this.lots);
      this.lots.set(requires.name, lots);
    }
    return lots;
  }

  private listsOf(index: number): CandidateLists {
    const { picker } = this.groups[index]!;
    return (this.lists[index] ??= new CandidateLists(picker.reach ?? picker.set, this.grouping.name));
  }

  private hasUntried(index: number, { requires, exclude }: PickContext): boolean {
    const candidates = this.listsOf(index).for(requires);
    return candidates.nodes.length > 0 && candidates.hasOther(exclude!);
  }

  private picked(pick: Pick, lots: Lots, first: number, index: number, { requires, exclude }: PickContext): Pick {
    if (first === index && requires === undefined && !exclude?.size) {
      const account = (this.accounts[first] ??= ({ why }) => this.why(why, lots, first, first, undefined, none));
      return new AccountedPick(pick, account);
    }
    const tried = exclude?.size ? copyOf(exclude) : none;
    return new AccountedPick(pick, ({ why }) => this.why(why, lots, first, index, requires, tried));
  }

  /** The account of the whole set: the group's own, and of everybody else why the call did not go there. */
  private why(
    inner: Why,
    lots: Lots,
    first: number,
    index: number,
    requires: Requirement | undefined,
    tried: Excluded,
  ): Why {
    const refusals = new Map(inner.leftOut.map((each) => [each.node, each]));
    const own = this.groups[index]!.picker.set;
    const leftOut: LeftOut[] = [];
    for (const node of this.set.nodes) {
      const refusal = own.has(node.id) ? refusals.get(node.id) : this.refusalOf(node, requires, tried);
      if (refusal) leftOut.push({ node: node.id, obstacle: refusal.obstacle, reason: refusal.reason });
    }
    const taken = this.label(lots, index);
    const where = index === first ? taken : `${this.label(lots, first)} has nobody, fell to ${taken}`;
    return { strategy: `${this.grouping.name} (${where}): ${inner.strategy}`, candidates: inner.candidates, leftOut };
  }

  private label({ labels }: Lots, index: number): string {
    return labels?.[index] ?? this.groups[index]!.name;
  }

  /** What keeps a node from a call that did not go to its group. */
  private refusalOf(node: Node, requires: Requirement | undefined, tried: Excluded): Refusal {
    return (
      obstacleOf(node) ??
      (requires && !requires.test(node) ? lacking(requires) : undefined) ??
      refusalIn(tried, node.id) ?? { obstacle: 'elsewhere', reason: this.grouping.elsewhere(node) }
    );
  }

  private nobody(lots: Lots, first: number, { requires, exclude, strict }: PickContext): NoPick {
    const lists = lots.falls ? (this.everybody ??= this.everyList()) : this.listsOf(first);
    const { pending, code } = lists.for(requires).noPick(exclude);
    const tried = strict && exclude ? copyOf(exclude) : none;
    const nor = lots.falls ? ', nor has any other group' : '';
    const strategy = `${this.grouping.name} (${this.label(lots, first)} has nobody${nor})`;
    const account = (): Why => ({
      strategy,
      candidates: [],
      leftOut: this.set.nodes.map((node) => ({ node: node.id, ...this.refusalOf(node, requires, tried) })),
    });
    return {
      node: undefined,
      pending,
      code,
      get why() {
        return account();
      },
    };
  }

  private everyList(): CandidateLists {
    const nodes = NodeSet.of(this.groups.flatMap(({ picker }) => picker.set.nodes));
    return new CandidateLists(nodes, this.grouping.name);
  }
}

const none: ReadonlySet<never> = new Set();

/** The shares of one kind of call, to draw from. */
class Lots {
  /** Where the first draw goes in any case; -1 where it is a draw. */
  readonly only: number;
  readonly labels: readonly string[] | undefined;
  readonly falls: boolean;
  private readonly first: readonly number[];
  private readonly next: readonly number[];
  private readonly inOrder: boolean;
  private readonly total: number;

  constructor({ first, next, inOrder = false, labels }: Shares) {
    this.first = first;
    this.next = next ?? [];
    this.falls = next !== undefined;
    this.inOrder = inOrder;
    this.labels = labels;
    this.total = first.reduce((sum, share) => sum + share, 0);
    this.only = first.filter((share) => share > 0).length === 1 ? first.findIndex((share) => share > 0) : -1;
  }

  /** The group that `chance` (0 to 1) falls on; the first where none has a share, -1 where there is none. */
  draw(chance: number): number {
    const { first } = this;
    let left = chance * this.total;
    let last = first.length > 0 ? 0 : -1;
    for (let i = 0; i < first.length; i++) {
      const share = first[i]!;
      if (share === 0) continue;
      last = i;
      left -= share;
      if (left < 0) return i;
    }
    return last;
  }

  /** The same among those that have not been drawn; -1 when nobody is left. */
  drawNext(chance: number, drawn: ReadonlySet<number>): number {
    const { next } = this;
    let total = 0;
    for (let i = 0; i < next.length; i++) if (!drawn.has(i)) total += next[i]!;
    let left = this.inOrder ? 0 : chance * total;
    let last = -1;
    for (let i = 0; i < next.length; i++) {
      if (drawn.has(i) || next[i] === 0) continue;
      last = i;
      left -= next[i]!;
      if (left < 0) return i;
    }
    return last;
  }
}
