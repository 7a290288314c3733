/**
 * A balancer over a part of the nodes: what wrappers that narrow the set have in common.
 *
 * The balancer within sees only the part, and only when something in it changes; the picker without has the whole set, and
 * its account names every node of it. Whether to wait, and whether a task is offered, is asked of the part alone, since
 * nobody outside of it will take the call. Only the part is dialled.
 */

import { Observable, Subject } from 'rxjs';
import { obstacleOf } from '../core/isRoutable.js';
import type { Node } from '../core/node.js';
import { NodeSet, type NodeChanges } from '../core/nodeSet.js';
import type { LeftOut, Why } from '../core/why.js';
import { AccountedPick } from './accountedPick.js';
import { lacking } from './candidates.js';
import type { Balancer, NoPick, Pick, PickContext, Picker, Requirement } from './picker.js';
import { shownNode } from './shownNode.js';
import { withTraits } from './strategy.js';

/** What part of each set is picked from; there is one for each subscription. */
export interface Narrowing {
  /**
   * The part of the next snapshot, stale if the whole is; the same object as before when nothing in it changed. What it
   * throws goes down the stream.
   *
   * @param changes how `set` differs from the snapshot before it; everything is added in the first.
   */
  next(set: NodeSet, changes: NodeChanges): NodeSet;
  /** In a sentence, for the account of a pick: why a node that could take the call is not in the part. */
  elsewhere(node: Node): string;
}

/** The balancer over the part that a narrowing makes of each set. `name` comes before its own in accounts. */
export function narrowed(name: string, balancer: Balancer, narrowing: () => Narrowing): Balancer {
  const outer: Balancer = (set$, ports) =>
    new Observable((subscriber) => {
      const narrow = narrowing();
      const part$ = new Subject<NodeSet>();
      let whole = NodeSet.empty;
      let part: NodeSet | undefined;
      let picker: Picker | undefined;
      let feeding = false;
      const tell = () => {
        if (picker) subscriber.next(new NarrowedPicker(name, whole, picker, narrow));
      };
      const life = balancer(part$, ports).subscribe({
        next: (next) => {
          picker = next;
          // A balancer may change its mind without a new set.
          if (!feeding) tell();
        },
        error: (error: unknown) => subscriber.error(error),
      });
      life.add(
        set$.subscribe({
          next: (set) => {
            feeding = true;
            try {
              const next = narrow.next(set, set.changesSince(whole));
              whole = set;
              if (next !== part) part$.next((part = next));
            } catch (error) {
              return subscriber.error(error);
            } finally {
              feeding = false;
            }
            tell();
          },
          error: (error: unknown) => subscriber.error(error),
          complete: () => subscriber.complete(),
        }),
      );
      return life;
    });
  return withTraitsOf(balancer, name, outer);
}

/** What can be said of a balancer holds of a wrapper too, under the names of both. */
export function withTraitsOf(inner: Balancer, name: string, outer: Balancer): Balancer {
  return inner.traits ? withTraits({ ...inner.traits, name: `${name}: ${inner.traits.name}` }, outer) : outer;
}

class NarrowedPicker implements Picker {
  readonly set: NodeSet;
  readonly reach: NodeSet;
  readonly noted: Picker['noted'];
  private readonly name: string;
  private readonly inner: Picker;
  private readonly narrowing: Narrowing;

  constructor(name: string, set: NodeSet, inner: Picker, narrowing: Narrowing) {
    this.name = name;
    this.set = set;
    this.inner = inner;
    this.narrowing = narrowing;
    this.reach = inner.reach ?? inner.set;
    this.noted = inner.noted;
  }

  shown(id: string): Node | undefined {
    return shownNode(this.inner, id);
  }

  pick(context: PickContext): Pick | NoPick {
    const { requires } = context;
    const pick = this.inner.pick(context);
    if (pick.node) return new AccountedPick(pick, ({ why }) => this.account(why, requires));
    const account = () => this.account(pick.why, requires);
    return {
      node: undefined,
      pending: pick.pending,
      code: pick.code,
      get why() {
        return account();
      },
    };
  }

  private account({ strategy, candidates, leftOut }: Why, requires: Requirement | undefined): Why {
    const within = new Map(leftOut.map((each) => [each.node, each]));
    const all: LeftOut[] = [];
    for (const node of this.set.nodes) {
      const { id } = node;
      const refusal = this.inner.set.has(id) ? within.get(id) : this.refusalOf(node, requires);
      if (refusal) all.push({ node: id, obstacle: refusal.obstacle, reason: refusal.reason });
    }
    return { strategy: `${this.name}: ${strategy}`, candidates, leftOut: all };
  }

  private refusalOf(node: Node, requires: Requirement | undefined): Omit<LeftOut, 'node'> {
    const lacks = requires && !requires.test(node) ? lacking(requires) : undefined;
    return obstacleOf(node) ?? lacks ?? { obstacle: 'elsewhere', reason: this.narrowing.elsewhere(node) };
  }
}
