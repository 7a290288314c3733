/** Picks the node of the session, else lets the balancer within pick; and tells of both. */

import { isRoutable } from '../../core/isRoutable.js';
import type { Node } from '../../core/node.js';
import { NodeSet } from '../../core/nodeSet.js';
import type { Outcome } from '../../core/nodeStats.js';
import type { LeftOut, Why } from '../../core/why.js';
import { CandidateLists, copyOf } from '../candidates.js';
import type { Excluded, NoPick, Pick, PickContext, Picker, Requirement } from '../picker.js';
import { shownNode } from '../shownNode.js';
import type { Session, SessionTable } from './sessionTable.js';

const name = 'sticky_sessions';

export class SessionPicker implements Picker {
  readonly set: NodeSet;
  readonly reach: NodeSet | undefined;
  readonly noted: Picker['noted'];
  readonly sessions: SessionTable;
  private readonly inner: Picker;
  private readonly innerName: string;

  constructor(inner: Picker, innerName: string, sessions: SessionTable) {
    this.set = inner.set;
    this.reach = inner.reach;
    this.noted = inner.noted;
    this.inner = inner;
    this.innerName = innerName;
    this.sessions = sessions;
  }

  shown(id: string): Node | undefined {
    return shownNode(this.inner, id);
  }

  pick(context: PickContext): Pick | NoPick {
    const { key, requires, exclude } = context;
    if (key === undefined) return this.inner.pick(context);
    let session = this.sessions.find(key);
    let node = this.nodeOf(session);
    let own = key;
    if (node !== undefined && requires !== undefined && !requires.test(node)) {
      // Calls that its node cannot serve have a session of their own: one for both would go to and fro between two nodes.
      own = `${key}\n${requires.name}`;
      session = this.sessions.find(own);
      node = this.nodeOf(session);
      if (node !== undefined && !requires.test(node)) node = undefined;
    }
    if (node !== undefined && !exclude?.has(node.id)) return this.kept(node, session!, context);

    const pick = this.inner.pick(context);
    if (!pick.node) return pick;
    if (node === undefined) {
      const from = session?.node;
      return new SessionPick(this, pick.node, this.sessions.put(own, pick.node.id), pick, () => {
        const what = from === undefined ? 'new session' : `moved from ${from}`;
        return { ...pick.why, strategy: `${name} (${what}): ${pick.why.strategy}` };
      });
    }
    if (exclude!.has(pick.node.id)) {
      // Everybody was tried, so the call may as well be where its session is.
      pick.release();
      return this.kept(node, session!, context);
    }
    return new SessionPick(this, pick.node, session!, pick, () => {
      return { ...pick.why, strategy: `${name} (away from ${node.id}): ${pick.why.strategy}` };
    });
  }

  /** The node of a session, if it can take calls. */
  private nodeOf(session: Session | undefined): Node | undefined {
    if (session === undefined) return undefined;
    const node = shownNode(this.inner, session.node);
    return node !== undefined && isRoutable(node) ? node : undefined;
  }

  private kept(node: Node, session: Session, { requires, exclude, strict = false }: PickContext): Pick {
    const passedOver = exclude?.size ? copyOf(exclude) : undefined;
    return new SessionPick(this, node, session, undefined, () => this.account(node, requires, passedOver, strict));
  }

  private account(node: Node, requires: Requirement | undefined, exclude: Excluded | undefined, strict: boolean): Why {
    const { set, reach, inner } = this;
    // As the balancer within sees them, or it would look as if the call went to a node that takes none.
    const seen = inner.shown ? NodeSet.of(set.nodes.map((each) => inner.shown!(each.id) ?? each)) : set;
    const strategy = `${name} (kept by its session): ${this.innerName}`;
    const all = new CandidateLists(seen, strategy).for(requires).why(node, exclude, strict);
    if (reach === undefined) return all;
    const beyond = { obstacle: 'elsewhere', reason: `out of reach of ${this.innerName}` } as const;
    const refusals = new Map<string, LeftOut>(all.leftOut.map((each) => [each.node, each]));
    for (const { node: id } of all.candidates) if (!reach.has(id)) refusals.set(id, { node: id, ...beyond });
    const leftOut = set.nodes.map(({ id }) => refusals.get(id)).filter((each) => each !== undefined);
    return { strategy, candidates: all.candidates.filter(({ node: id }) => reach.has(id)), leftOut };
  }
}

/** A call of a session, picked by the balancer within or put on the node of the session past it. */
class SessionPick implements Pick {
  readonly node: Node;
  private readonly picker: SessionPicker;
  private readonly session: Session;
  /** The id of the node that the session was on. */
  private readonly home: string;
  private readonly inner: Pick | undefined;
  private readonly account: () => Why;
  private open = true;

  constructor(picker: SessionPicker, node: Node, session: Session, inner: Pick | undefined, account: () => Why) {
    this.picker = picker;
    this.node = node;
    this.session = session;
    this.home = session.node;
    this.inner = inner;
    this.account = account;
    session.calls++;
    if (inner !== undefined) return;
    node.stats.begin();
    picker.noted?.(node, undefined);
  }

  end(outcome: Outcome): void {
    if (!this.close()) return;
    const { node, session } = this;
    if (this.inner !== undefined) {
      this.inner.end(outcome);
      // Whoever answers has the state of the session from then on.
      if (outcome.status === 'ok' && session.node === this.home) session.node = node.id;
    } else {
      node.stats.end(outcome);
      this.picker.noted?.(node, outcome);
    }
  }

  release(): void {
    if (!this.close()) return;
    if (this.inner !== undefined) return this.inner.release();
    this.node.stats.release();
    this.picker.noted?.(this.node, undefined);
  }

  get why(): Why {
    return this.account();
  }

  private close(): boolean {
    const { open } = this;
    this.open = false;
    if (open) this.picker.sessions.ended(this.session);
    return open;
  }
}
