/** What an attempt tells to those who listen; asked for only while somebody does. */

import type { NoPick, Pick } from '../balancer/picker.js';
import type { CallStatus } from '../core/channel.js';
import type { Metadata } from '../core/metadata.js';
import type { Node } from '../core/node.js';
import type { Outcome } from '../core/nodeStats.js';
import type { CallInfo } from './call.js';
import type { AttemptReason } from './callEvent.js';
import { DecisionEvent } from './decisionEvent.js';
import { MessageCount } from './messageCount.js';
import type { PipelinePorts } from './pipelinePorts.js';

/** What of an attempt is told. */
interface Teller {
  readonly call: CallInfo;
  readonly number: number;
  readonly reason: AttemptReason;
  metadata: Metadata | undefined;
  readonly previous: number;
  watcher: MessageCount | undefined;
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
  const { call, number, reason, previous } = attempt;
  const at = now();
  // Literals without a spread, which would cost more than all else here.
  events.next({
    type: 'attemptStarted',
    at,
    call,
    attempt: number,
    node,
    reason,
    previous,
    waitedMs: waitedSince === 0 ? 0 : at - waitedSince,
    addHeader: (name, value) => (attempt.metadata = { ...attempt.metadata, [name]: value }),
    watchMessages(watcher) {
      const count = (attempt.watcher ??= new MessageCount());
      if (watcher) count.tell(watcher);
    },
  });
}

function ended(
  { events, now }: Ports,
  { call, number, reason, watcher }: Teller,
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
    // One that was given up never hears how it ended on the wire.
    sentBytes: wire?.sentBytes ?? watcher?.sentBytes,
    receivedBytes: wire?.receivedBytes ?? watcher?.receivedBytes,
  });
}

export const attemptEvents = { decisionMade, started, ended };
