/** A node of the balancer's choice for work that is no call: somebody else's client dials it, or something else is done with it. */

import type { Balancer, Excluded, Requirement } from '../balancer/picker.js';
import { decisionOf } from '../call/attemptEvents.js';
import type { CallInfo } from '../call/call.js';
import type { DecisionMade } from '../call/callEvent.js';
import { guardedPick } from '../call/guardedPick.js';
import { nobody } from '../call/nobody.js';
import type { Lease, PipelinePorts } from '../call/pipelinePorts.js';
import { FleetError } from '../core/fleetError.js';
import type { Node } from '../core/node.js';
import type { Outcome } from '../core/nodeStats.js';
import type { Why } from '../core/why.js';

/** Whom to take. */
export interface SelectOptions {
  /** Equal keys go to one node, with a balancer that cares. */
  readonly key?: string;
  /** What the node must offer. */
  readonly requires?: Requirement;
  /** Default: the balancer of the client. */
  readonly balancer?: Balancer;
  /** Ids of nodes to pass over, as long as there are others. */
  readonly exclude?: Excluded;
}

/** A node that was selected; it counts as in use until `report` or `release`. */
export interface Selection<T> {
  readonly node: Node;
  readonly resource: T;
  /** Why this one, and why not the others. */
  readonly why: Why;
  /**
   * Tells how it went; the first time counts. Without an error: well. With one: a failure of the node, unless it is a
   * `FleetError` that is charged to the request or the caller.
   *
   * @param latencyMs how long it took. Default: since the selection.
   */
  report(error?: unknown, latencyMs?: number): void;
  /** It was not used after all. */
  release(): void;
  /** The same as `report()`. */
  [Symbol.dispose](): void;
}

/**
 * Selects at once, with everything that holds for a call: health, breakers, limits of nodes, the account.
 *
 * @throws FleetError when nobody can be selected now, with the reasons; nothing waits.
 */
export function select<T>(ports: PipelinePorts<T>, options: SelectOptions): Selection<T> {
  const { requires, exclude } = options;
  const begunAt = ports.clock();
  const info = infoOf(ports, options);
  const picked = pickOf(ports, options, info);
  if (!picked.node) {
    const error = nobody('select', requires, picked);
    throw error.with({ decisions: [() => decisionOf(1, undefined, picked)] });
  }
  const { node } = picked;
  const lease = leaseOf(ports, node, () => {
    picked.release();
    for (const gate of ports.nodeGates) gate.undo(node, info);
  });
  let over = false;
  const leave = (end: () => void) => {
    if (over) return;
    over = true;
    lease?.release();
    end();
  };
  const end = (outcome: Outcome) =>
    leave(() => {
      picked.end(outcome);
      for (const gate of ports.nodeGates) gate.leave(node, info, outcome);
      ports.ended(node, outcome);
    });
  const selection: Selection<T> = {
    node,
    get resource() {
      return ports.resourceOf(lease!.connection);
    },
    get why() {
      return picked.why;
    },
    report(error, latencyMs) {
      const at = ports.clock();
      const { code, blame } = error === undefined ? ({} as Partial<FleetError>) : FleetError.from(error);
      end({ status: code ? 'failed' : 'ok', latencyMs: latencyMs ?? at - begunAt, code, blame, at });
    },
    release: () =>
      leave(() => {
        picked.release();
        for (const gate of ports.nodeGates) gate.undo(node, info);
      }),
    [Symbol.dispose]: () => selection.report(),
  };
  if (!lease) {
    const gone = new FleetError('UNAVAILABLE', 'the node has just gone', { node: node.id, sent: false });
    selection.report(gone);
    if (exclude?.has(node.id)) throw gone;
    return select(ports, { ...options, exclude: new Set([...(exclude?.keys() ?? []), node.id]) });
  }
  return selection;
}

/** Who would be selected now, and why not the others. Nothing is selected, and nothing counts. */
export function explain<T>(ports: PipelinePorts<T>, options: SelectOptions): DecisionMade {
  const info = infoOf(ports, options);
  const picked = pickOf(ports, options, info);
  const decision = decisionOf(1, picked.node, picked);
  if (picked.node) {
    picked.release();
    for (const gate of ports.nodeGates) gate.undo(picked.node, info);
  }
  return { type: 'decision', at: info.startedAt, call: info, ...decision };
}

function pickOf<T>(ports: PipelinePorts<T>, { key, requires, balancer, exclude }: SelectOptions, info: CallInfo) {
  return guardedPick(ports.picker(balancer), { key, requires, exclude, strict: false }, ports.nodeGates, info);
}

function infoOf<T>({ now }: PipelinePorts<T>, options: SelectOptions): CallInfo {
  return {
    ...{ id: 0, name: 'select', options, startedAt: now(), deadline: Infinity },
    ...{ metadata: undefined, node: undefined, attempts: [], costIn: () => 0 },
  };
}

/** The connection; what was picked for it is given back where it cannot be had. */
function leaseOf<T>(ports: PipelinePorts<T>, node: Node, giveBack: () => void): Lease | undefined {
  try {
    return ports.acquire(node);
  } catch (thrown) {
    giveBack();
    throw thrown;
  }
}
