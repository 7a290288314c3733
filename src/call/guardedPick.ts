/** A pick that the guards of its node let through: breakers, and limits of single nodes. */

import type { Excluded, NoPick, Pick, PickContext, Picker } from '../balancer/picker.js';
import type { Node } from '../core/node.js';
import type { Refusal, Why } from '../core/why.js';
import type { CallInfo } from './call.js';
import type { Barred, NodeGate } from './policy.js';

/** Nobody, since those who could take it were shut. */
export interface BarredPick extends NoPick {
  /** What the last of them said, or the last of those where one may wait. */
  readonly barred: Barred;
  /** The gates that were shut where one may wait, each once: limiters, which give their places in turn, before breakers. */
  readonly gates: readonly NodeGate[];
}

/**
 * Picks until the gates let a node through. A node that was tried already comes before nobody, one that is shut never does.
 * What a gate throws fails the pick, which leaves nothing behind.
 */
export function guardedPick(
  picker: Picker,
  context: PickContext,
  gates: readonly NodeGate[],
  call: CallInfo,
): Pick | NoPick | BarredPick {
  let pick = picker.pick(context);
  if (!pick.node) return pick;
  let shut = firstShut(gates, pick, call);
  if (!shut) return pick;

  const exclude = new ShutNodes(context.exclude, gates, call);
  for (;;) {
    exclude.found(pick.node.id, shut);
    pick.release();
    let next = picker.pick({ ...context, exclude, strict: true });
    if (!next.node && !context.strict && exclude.forgive()) next = picker.pick({ ...context, exclude, strict: true });
    if (!next.node) return new Shut(next, exclude.last!.barred, exclude.waitable);
    pick = next;
    shut = firstShut(gates, pick, call);
    if (!shut) return pick;
  }
}

interface ShutGate {
  readonly barred: Barred;
  readonly gate: NodeGate;
}

/** Enters all gates of a node, or none: then the one that is shut. */
function firstShut(gates: readonly NodeGate[], pick: Pick, call: CallInfo): ShutGate | undefined {
  const { node } = pick;
  let entered = 0;
  try {
    for (; entered < gates.length; entered++) {
      const barred = gates[entered]!.enter(node, call);
      if (barred === undefined) continue;
      undo(gates, entered, node, call);
      return { barred, gate: gates[entered]! };
    }
  } catch (thrown) {
    undo(gates, entered, node, call);
    pick.release();
    throw thrown;
  }
  return undefined;
}

/** Leaves the first gates, as if they had never been entered. */
function undo(gates: readonly NodeGate[], entered: number, node: Node, call: CallInfo): void {
  for (let i = entered - 1; i >= 0; i--) gates[i]!.undo(node, call);
}

/**
 * The nodes to pass over: those that were found shut, those that a gate says are, and at first those that were tried.
 *
 * A picker asks it of one node after the other, so that one pick goes through a fleet of which most is full. What it was asked
 * of, and passed over, it holds, for the account of the pick.
 */
class ShutNodes extends Map<string, Refusal> {
  /** Where it was shut, and one may rather wait than not. */
  last: ShutGate | undefined = undefined;
  readonly waitable: NodeGate[] = [];
  private tried: Excluded | undefined;
  private readonly gates: readonly NodeGate[];
  private readonly call: CallInfo;

  constructor(tried: Excluded | undefined, gates: readonly NodeGate[], call: CallInfo) {
    super();
    this.tried = tried;
    this.gates = gates;
    this.call = call;
  }

  /** Unknown, so that each node is asked for. */
  override get size(): number {
    return Infinity;
  }

  override has(id: string): boolean {
    if (super.has(id)) return true;
    const { tried, gates } = this;
    if (tried?.has(id)) {
      this.set(id, ('get' in tried ? tried.get(id) : undefined) ?? triedAlready);
      return true;
    }
    for (let i = 0; i < gates.length; i++) {
      const gate = gates[i]!;
      const barred = gate.peek?.(id, this.call);
      if (barred === undefined) continue;
      this.found(id, { barred, gate });
      return true;
    }
    return false;
  }

  found(id: string, shut: ShutGate): void {
    this.set(id, shut.barred);
    const { barred, gate } = shut;
    // While one node is open to those who wait, another that is shut for good is no reason to give up.
    if (this.last === undefined || gate.wait !== undefined || this.last.gate.wait === undefined) this.last = shut;
    const { waitable } = this;
    if (gate.wait === undefined || waitable.includes(gate)) return;
    if (barred.obstacle === 'circuitOpen') waitable.push(gate);
    else waitable.unshift(gate);
  }

  /** Those that were tried may be taken after all. False: there were none. */
  forgive(): boolean {
    const { tried } = this;
    if (!tried?.size) return false;
    this.tried = undefined;
    for (const id of tried.keys()) if (super.get(id)?.obstacle === 'tried') this.delete(id);
    return true;
  }
}

const triedAlready: Refusal = { obstacle: 'tried', reason: 'tried already' };

class Shut implements BarredPick {
  readonly node = undefined;
  readonly pending: boolean;
  readonly code: NoPick['code'];
  readonly barred: Barred;
  readonly gates: readonly NodeGate[];
  private readonly nobody: NoPick;

  constructor(nobody: NoPick, barred: Barred, gates: readonly NodeGate[]) {
    this.nobody = nobody;
    this.pending = nobody.pending;
    this.code = nobody.code;
    this.barred = barred;
    this.gates = gates;
  }

  get why(): Why {
    return this.nobody.why;
  }
}
