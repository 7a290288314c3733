/** The account of a pick in short, for a span. */

import type { Attributes } from '@opentelemetry/api';
import type { DecisionMade } from '../../call/callEvent.js';
import type { Candidate, LeftOut } from '../../core/why.js';

/** Nodes that are named; of the others their number is told. */
const mostNamed = 16;

/** Reading the account makes it. */
export function decisionAttributes({ strategy, chosen, candidates, leftOut }: DecisionMade): Attributes {
  const attributes: Attributes = {
    'rxfleet.decision.strategy': strategy,
    'rxfleet.decision.candidates': candidates.slice(0, mostNamed).map(scored),
    'rxfleet.decision.candidates.count': candidates.length,
    'rxfleet.decision.left_out': leftOut.slice(0, mostNamed).map(excused),
    'rxfleet.decision.left_out.count': leftOut.length,
  };
  if (chosen !== undefined) attributes['rxfleet.decision.chosen'] = chosen.id;
  return attributes;
}

function scored({ node, score }: Candidate): string {
  return score === undefined ? node : `${node}=${score}`;
}

function excused({ node, reason }: LeftOut): string {
  return `${node}: ${reason}`;
}
