/** Which node can do it, and under which name: task, model and service of a request against what nodes offer. */

import type { Requirement } from '../balancer/picker.js';
import type { Capability, TaskCapability } from '../core/capability.js';
import { isRoutable } from '../core/isRoutable.js';
import type { Node } from '../core/node.js';

/** What a request asks of a node. */
export interface TaskDemand {
  /** Names of the task, the preferred first; a node that offers any of them can serve. */
  readonly tasks: readonly string[];
  readonly model?: string | undefined;
  readonly service?: string | undefined;
  /** The payload is too large for one message, so the node must put pieces together. */
  readonly inPieces?: boolean;
}

/** A demand as a condition on nodes; says what it demands, for balancers that look closer. */
export interface TaskRequirement extends Requirement {
  readonly demand: TaskDemand;
}

/** How a node offers a task. */
export interface TaskOffer {
  readonly task: TaskCapability;
  readonly capability: Capability;
}

/**
 * Tasks that some nodes serve without putting pieces together: the Python `lumen-ocr` runs each piece as a picture of
 * its own. They go in one message as long as they fit one, and past that only to nodes that do put pieces together.
 */
export const singleMessageTasks: ReadonlySet<string> = new Set(['ocr']);

/**
 * True for the tasks of `singleMessageTasks` on a Python node, which is told by the limit `max_payload_size` that it
 * names for its tasks and the hub does not.
 */
export function ignoresPieces({ task }: TaskOffer, singleMessage: ReadonlySet<string> = singleMessageTasks): boolean {
  return singleMessage.has(task.name) && 'max_payload_size' in task.limits;
}

/** The offer of a node that a demand takes: by the first name that it knows, in the first service that has it. */
export function offerOf(
  node: Pick<Node, 'capabilities'>,
  demand: TaskDemand,
  singleMessage: ReadonlySet<string> = singleMessageTasks,
): TaskOffer | undefined {
  const { tasks, model, service, inPieces } = demand;
  for (const name of tasks) {
    for (const capability of node.capabilities) {
      if (service !== undefined && capability.service !== service) continue;
      if (model !== undefined && !capability.models.includes(model)) continue;
      const task = capability.tasks.find((each) => each.name === name);
      if (!task) continue;
      const offer = { task, capability };
      if (!(inPieces && ignoresPieces(offer, singleMessage))) return offer;
    }
  }
  return undefined;
}

/** The demand as a condition on nodes, named in words: `task ocr, model pp-ocr`. */
export function taskRequirement(
  demand: TaskDemand,
  singleMessage: ReadonlySet<string> = singleMessageTasks,
  also?: Requirement,
): TaskRequirement {
  const { tasks, model, service, inPieces } = demand;
  const name = [
    `task ${tasks.join(' or ')}`,
    ...(model === undefined ? [] : [`model ${model}`]),
    ...(service === undefined ? [] : [`service ${service}`]),
    ...(inPieces ? ['in pieces (the payload is too large for one message)'] : []),
    ...(also ? [also.name] : []),
  ].join(', ');
  return {
    name,
    demand,
    test: (node) => offerOf(node, demand, singleMessage) !== undefined && (also?.test(node) ?? true),
  };
}

/**
 * The names to go by: where nodes of different makes offer the work under different names, one name for all calls as
 * long as some node offers it, since results of different models do not compare. All of them while none is offered.
 */
export function chosenTasks(nodes: readonly Node[], demand: TaskDemand): readonly string[] {
  if (demand.tasks.length === 1) return demand.tasks;
  for (const name of demand.tasks) {
    if (nodes.some((node) => isRoutable(node) && offerOf(node, { ...demand, tasks: [name] }))) return [name];
  }
  return demand.tasks;
}

/** `meta.service` for a request to this node: filled in where the node has several services, else left out. */
export function serviceFor(node: Pick<Node, 'capabilities'>, { capability }: TaskOffer): string | undefined {
  return node.capabilities.length > 1 && capability.service !== '' ? capability.service : undefined;
}

/** Every task that is offered now, sorted, for messages. */
export function offeredTasks(nodes: readonly Pick<Node, 'capabilities'>[]): readonly string[] {
  const names = nodes.flatMap((node) => node.capabilities.flatMap(({ tasks }) => tasks.map(({ name }) => name)));
  return [...new Set(names)].sort();
}
