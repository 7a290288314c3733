/** What a call without a node comes to: a wait, or an error that says who was left out and why. */

import type { NoPick, Picker, Requirement } from '../balancer/picker.js';
import { FleetError } from '../core/fleetError.js';
import type { BarredPick } from './guardedPick.js';

/** True where those who could take it are shut. */
export function isBarred(picked: NoPick | BarredPick): picked is BarredPick {
  return 'barred' in picked;
}

/**
 * Whether waiting helps: while nodes are dialled or asked, while discovery has not spoken, and where the caller says so,
 * unless nobody has what is required.
 */
export function waitingHelps(picked: NoPick | BarredPick, { set }: Picker, waitForReady: boolean | undefined): boolean {
  if (isBarred(picked)) return false;
  if (picked.pending || (waitForReady === true && picked.code === 'NO_NODES')) return true;
  return set.size === 0 && set.stale !== undefined;
}

/** The error of a call that nobody can take. */
export function nobody(name: string, requires: Requirement | undefined, picked: NoPick | BarredPick): FleetError {
  const { leftOut } = picked.why;
  const shown = leftOut.slice(0, 5).map(({ node, reason }) => `${node}: ${reason}`);
  const more = leftOut.length > shown.length ? `, and ${leftOut.length - shown.length} more` : '';
  const known = shown.length
    ? `. Known are ${shown.join('; ')}${more}`
    : '. None is known: start one, or check discovery';
  const what = picked.code === 'NO_NODE_FOR_TASK' ? `no node offers ${requires?.name}` : 'no node can take the call';
  const code = isBarred(picked) ? picked.barred.code : codeOf(picked, leftOut);
  return FleetError.untraced(code, `${name}: ${what}${known}`, { sent: false });
}

/** Where every node that could take it is out by its breaker, that is the news. */
function codeOf({ code }: NoPick, leftOut: NoPick['why']['leftOut']): FleetError['code'] {
  if (code !== 'NO_NODES') return code;
  let open = 0;
  for (const { obstacle } of leftOut) {
    if (obstacle === 'circuitOpen') open++;
    else if (obstacle !== 'lacks' && obstacle !== 'elsewhere') return code;
  }
  return open > 0 ? 'CIRCUIT_OPEN' : code;
}
