/** What makes metrics of events. */

import type { FleetEvent } from '../../client/fleetEvent.js';
import type { Node } from '../../core/node.js';

/** What is done with each kind of event; the kinds that are left out cost nothing. */
export type EventHandlers = {
  readonly [T in FleetEvent['type']]?: (event: Extract<FleetEvent, { readonly type: T }>) => void;
};

export interface Recorder {
  readonly on: EventHandlers;
  /** A node is no longer known: its series go. */
  forget?(node: Node): void;
  /** A node has another address now; told of its form before. */
  moved?(before: Node): void;
  /** The client has closed; what it had under way it has no more. */
  ended?(): void;
}

/** Hands each event to those who want it. */
export function dispatch(recorders: readonly Recorder[]): (event: FleetEvent) => void {
  const handlers = new Map<FleetEvent['type'], ((event: never) => void)[]>();
  for (const { on } of recorders) {
    for (const [type, handler] of Object.entries(on) as [FleetEvent['type'], (event: never) => void][]) {
      handlers.set(type, [...(handlers.get(type) ?? []), handler]);
    }
  }
  return (event) => {
    const wanted = handlers.get(event.type);
    if (wanted === undefined) return;
    for (let i = 0; i < wanted.length; i++) wanted[i]!(event as never);
  };
}
