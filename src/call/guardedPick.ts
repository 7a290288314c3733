/** A pick that the guards of its node let through: breakers, and limits of single nodes. */

import type { NoPick, Pick, PickContext, Picker } from '../balancer/picker.js';
import type { Node } from '../core/node.js';
import type { Refusal, Why } from '../core/why.js';
import type { CallInfo } from './call.js';
import type { Barred, NodeGate } from './policy.js';

/** Nobody, since those who could take it were shut. */
export interface BarredPick extends NoPick {
  /** What the last of them said. */
  readonly barred: Barred;
  /** The gate that was shut there. */
  readonly gate: NodeGate;
}

/**
 * Picks until the gates let a node through. A node that was tried already comes before nobody, one that is shut never does.
 */
export function guardedPick(
  picker: Picker,
  context: PickContext,
  gates: readonly NodeGate[],
  call: CallInfo,
): Pick | NoPick | BarredPick {
  let pick = picker.pick(context);
  if (!pick.node) return pick;
  let shut = firstShut(gates, pick.node, call);
  if (!shut) return pick;

  const barred = new Map<string, Refusal>();
  let last = shut;
  for (;;) {
    const { id } = pick.node;
    pick.release();
    barred.set(id, shut.barred);
    last = shut;
    let next = picker.pick({ ...context, exclude: both(context.exclude, barred), strict: true });
    if (!next.node && context.exclude?.size && !context.strict) {
      next = picker.pick({ ...context, exclude: barred, strict: true });
    }
    if (!next.node) return new Shut(next, last);
    pick = next;
    shut = firstShut(gates, pick.node, call);
    if (!shut) return pick;
  }
}

interface ShutGate {
  readonly barred: Barred;
  readonly gate: NodeGate;
}

/** Enters all gates of a node, or none: then the one that is shut. */
function firstShut(gates: readonly NodeGate[], node: Node, call: CallInfo): ShutGate | undefined {
  for (let i = 0; i < gates.length; i++) {
    const barred = gates[i]!.enter(node, call);
    if (barred === undefined) continue;
    for (let entered = i - 1; entered >= 0; entered--) gates[entered]!.undo(node, call);
    return { barred, gate: gates[i]! };
  }
  return undefined;
}

function both(exclude: PickContext['exclude'], barred: ReadonlyMap<string, Refusal>): ReadonlyMap<string, Refusal> {
  if (!exclude?.size) return barred;
  const all = new Map<string, Refusal>();
  for (const id of exclude.keys()) all.set(id, ('get' in exclude ? exclude.get(id) : undefined) ?? tried);
  for (const [id, refusal] of barred) all.set(id, refusal);
  return all;
}

const tried: Refusal = { obstacle: 'tried', reason: 'tried already' };

class Shut implements BarredPick {
  readonly node = undefined;
  readonly pending: boolean;
  readonly code: NoPick['code'];
  readonly barred: Barred;
  readonly gate: NodeGate;
  private readonly nobody: NoPick;

  constructor(nobody: NoPick, { barred, gate }: ShutGate) {
    this.nobody = nobody;
    this.pending = nobody.pending;
    this.code = nobody.code;
    this.barred = barred;
    this.gate = gate;
  }

  get why(): Why {
    return this.nobody.why;
  }
}
