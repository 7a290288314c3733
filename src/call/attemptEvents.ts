/** What an attempt tells to those who listen; asked for only while somebody does. */

import type { NoPick, Pick } from '../balancer/picker.js';
import type { CallStatus, MessageWatcher } from '../core/channel.js';
import type { Metadata } from '../core/metadata.js';
import type { Node } from '../core/node.js';
import type { Outcome } from '../core/nodeStats.js';
import type { CallInfo } from './call.js';
import type { AttemptReason } from './callEvent.js';
import { DecisionEvent } from './decisionEvent.js';
import type { PipelinePorts } from './pipelinePorts.js';

/** What of an attempt is told. */
interface Teller {
  readonly call: CallInfo;
  readonly number: number;
  readonly reason: AttemptReason;
  metadata: Metadata | undefined;
  watcher: MessageWatcher | undefined;
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
  events.next(new DecisionEvent(now(), call, number, node, pick));
}

/** @param waitedSince when it began to wait for a node; 0 when it did not. */
function started({ events, now }: Ports, attempt: Teller, node: Node, waitedSince: number): void {
  const { call, number, reason } = attempt;
  const at = now();
  // Literals without a spread, which would cost more than all else here.
  events.next({
    type: 'attemptStarted',
    at,
    call,
    attempt: number,
    node,
    reason,
    waitedMs: waitedSince === 0 ? 0 : at - waitedSince,
    addHeader: (name, value) => (attempt.metadata = { ...attempt.metadata, [name]: value }),
    watchMessages: (told) => (attempt.watcher = both(attempt.watcher, told)),
  });
}

function both(first: MessageWatcher | undefined, second: MessageWatcher): MessageWatcher {
  if (first === undefined || first === second) return second;
  return {
    sent(bytes) {
      first.sent(bytes);
      second.sent(bytes);
    },
    received(bytes) {
      first.received(bytes);
      second.received(bytes);
    },
  };
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
  const { wire } = end;
  events.next({
    type: 'attemptEnded',
    at: now(),
    call,
    attempt: number,
    node: end.node,
    reason,
    outcome: end.outcome,
    outrun: end.outrun,
    messages: end.messages,
    message: end.message,
    sentBytes: wire?.sentBytes,
    receivedBytes: wire?.receivedBytes,
  });
}

export const attemptEvents = { decisionMade, started, ended };
