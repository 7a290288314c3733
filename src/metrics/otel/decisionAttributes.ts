/** The account of a pick in short, for a span. */

import type { Attributes } from '@opentelemetry/api';
import type { DecisionMade } from '../../call/callEvent.js';

/** Nodes that are named; of the others their number is told. */
const mostNamed = 16;

/** Reading the account makes it. */
export function decisionAttributes({ strategy, chosen, candidates, leftOut }: DecisionMade): Attributes {
  const named = candidates
    .slice(0, mostNamed)
    .map(({ node, score }) => (score === undefined ? node : `${node}=${score}`));
  return {
    'rxfleet.decision.strategy': strategy,
    ...(chosen && { 'rxfleet.decision.chosen': chosen.id }),
    'rxfleet.decision.candidates': named,
    'rxfleet.decision.candidates.count': candidates.length,
    'rxfleet.decision.left_out': leftOut.slice(0, mostNamed).map(({ node, reason }) => `${node}: ${reason}`),
    'rxfleet.decision.left_out.count': leftOut.length,
  };
}
