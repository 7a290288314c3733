/** The one rule of who may take calls. */

import type { Node } from './node.js';
import type { Obstacle, Refusal } from './why.js';

/**
 * True when the node may take a new call: reachable or not yet dialled, not known to be unhealthy, and compatible.
 * A pure function of the snapshot; what a single call requires (a task, a model) is checked on top of it.
 */
export function isRoutable(node: Node): boolean {
  return (
    (node.availability === 'ready' || node.availability === 'discovered') &&
    node.compatibility === 'compatible' &&
    (node.health === 'serving' || node.health === 'unknown') &&
    node.weight > 0
  );
}

/** True when the node takes no calls now but may without anybody's doing: it is being dialled or asked. */
export function isPending(node: Node): boolean {
  if (node.availability === 'draining' || node.availability === 'unavailable') return false;
  return (
    node.compatibility !== 'incompatible' &&
    (node.availability === 'connecting' || node.compatibility === 'pending') &&
    node.health !== 'ejected'
  );
}

/** What keeps a node from calls; undefined when nothing does. */
export function obstacleOf(node: Node): Refusal | undefined {
  if (isRoutable(node)) return undefined;
  const { availability, compatibility, health, ejections } = node;
  if (availability !== 'ready' && availability !== 'discovered') {
    return refusal(availability, availability, node.availabilityReason);
  }
  if (compatibility === 'pending' || compatibility === 'incompatible') {
    return refusal(compatibility, `compatibility ${compatibility}`, node.compatibilityReason);
  }
  if (health === 'notServing') return refusal('notServing', 'not serving', node.healthReason);
  if (health === 'ejected') return refusal(ejections[0]?.obstacle ?? 'ejected', 'ejected', node.healthReason);
  return refusal('weightless', 'weight 0', undefined);
}

/** Why a node takes no calls, in a few words; undefined when it does. */
export function whyNotRoutable(node: Node): string | undefined {
  return obstacleOf(node)?.reason;
}

function refusal(obstacle: Obstacle, what: string, reason: string | undefined): Refusal {
  return { obstacle, reason: reason ? `${what}: ${reason}` : what };
}
