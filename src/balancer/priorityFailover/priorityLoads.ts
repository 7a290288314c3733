/** How Envoy spreads calls over priorities, from the health of each. */

import type { HealthTally } from '../../core/healthIn.js';

export interface PriorityLoads {
  /** The share of each priority, in their order; they add up to 1. */
  readonly loads: readonly number[];
  /** Which of them ignore health. */
  readonly panics: readonly boolean[];
}

/** Sums of fractions that are this near to 1 are 1. */
const tolerance = 1e-9;

/**
 * A priority's health is its healthy share times `overprovisioningFactor`, at most 1. The first takes as much as its
 * health says, the next what is left, and so on. Where all healths together fall short of 1 they are scaled up to it,
 * and those whose healthy share is under `panicThreshold` are in panic; where all are, each takes as much as it has
 * nodes.
 *
 * @param levels healthy and all nodes of each priority, the best first; at least one.
 */
export function priorityLoads(
  levels: readonly HealthTally[],
  overprovisioningFactor: number,
  panicThreshold: number,
): PriorityLoads {
  const shares = levels.map(({ healthy, total }) => (total === 0 ? 0 : healthy / total));
  const healths = shares.map((share) => Math.min(1, overprovisioningFactor * share));
  const sum = healths.reduce((all, health) => all + health, 0);
  const enough = sum >= 1 - tolerance;
  const panics = shares.map((share) => !enough && share < panicThreshold);
  if (panics.every(Boolean)) return { loads: byNodes(levels), panics };
  const scale = enough ? 1 : 1 / sum;
  let left = 1;
  const loads = healths.map((health) => {
    const load = Math.min(left, health * scale);
    left -= load;
    return load;
  });
  return { loads: sum > 0 ? loads : onlyFirst(levels.length), panics };
}

function byNodes(levels: readonly HealthTally[]): readonly number[] {
  const nodes = levels.reduce((sum, { total }) => sum + total, 0);
  return nodes === 0 ? onlyFirst(levels.length) : levels.map(({ total }) => total / nodes);
}

function onlyFirst(size: number): readonly number[] {
  return Array.from({ length: size }, (_, i) => (i === 0 ? 1 : 0));
}
