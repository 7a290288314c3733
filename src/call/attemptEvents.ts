/** What an attempt tells to those who listen; asked for only while somebody does. */

import type { NoPick, Pick } from '../balancer/picker.js';
import type { CallStatus } from '../core/channel.js';
import type { Metadata } from '../core/metadata.js';
import type { Node } from '../core/node.js';
import type { Outcome } from '../core/nodeStats.js';
import type { CallInfo } from './call.js';
import type { AttemptReason } from './callEvent.js';
import type { PipelinePorts } from './pipelinePorts.js';

/** What of an attempt is told. */
interface Teller {
  readonly call: CallInfo;
  readonly number: number;
  readonly reason: AttemptReason;
  metadata: Metadata | undefined;
}

interface Ports {
  readonly events: PipelinePorts<never>['events'];
  readonly now: () => number;
}

/** The account of one pick. */
export function decisionOf(attempt: number, chosen: Node | undefined, { why }: Pick | NoPick) {
  return { attempt, chosen, ...why };
}

function decisionMade(
  { events, now }: Ports,
  { call, number }: Teller,
  node: Node | undefined,
  pick: Pick | NoPick,
): void {
  events.next({ type: 'decision', at: now(), call, ...decisionOf(number, node, pick) });
}

/** @param waitedSince when it began to wait for a node; 0 when it did not. */
function started({ events, now }: Ports, attempt: Teller, node: Node, waitedSince: number): void {
  const { call, number, reason } = attempt;
  const at = now();
  events.next({
    type: 'attemptStarted',
    ...{ at, call, attempt: number, node, reason, waitedMs: waitedSince === 0 ? 0 : at - waitedSince },
    addHeader: (name, value) => (attempt.metadata = { ...attempt.metadata, [name]: value }),
  });
}

function ended(
  { events, now }: Ports,
  { call, number, reason }: Teller,
  end: {
    readonly node: Node;
    readonly outcome: Outcome;
    readonly outrun: boolean;
    readonly messages: number;
    readonly message: string;
    readonly wire: CallStatus | undefined;
  },
): void {
  const { wire, ...rest } = end;
  const { sentBytes, receivedBytes } = wire ?? {};
  events.next({ type: 'attemptEnded', at: now(), call, attempt: number, reason, ...rest, sentBytes, receivedBytes });
}

export const attemptEvents = { decisionMade, started, ended };
