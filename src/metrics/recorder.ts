/** What makes metrics and traces of events. */

import type { FleetEvent } from '../client/fleetEvent.js';
import type { Node } from '../core/node.js';

/** What is done with each kind of event; the kinds that are left out cost nothing. */
export type EventHandlers<E extends { readonly type: string } = FleetEvent> = {
  readonly [T in E['type']]?: (event: Extract<E, { readonly type: T }>) => void;
};

export interface Recorder<E extends { readonly type: string } = FleetEvent> {
  readonly on: EventHandlers<E>;
  /** A node is no longer known: its series go. */
  forget?(node: Node): void;
  /** A node has another address now; told of its form before. */
  moved?(before: Node): void;
  /**
   * Nothing more comes.
   *
   * @param closed True: the client has closed, and what it had under way it has no more. False: nobody watches it any more.
   */
  ended?(closed: boolean): void;
}

/** Hands each event to those who want it. */
export function dispatch<E extends { readonly type: string }>(recorders: readonly Recorder<E>[]): (event: E) => void {
  const handlers = new Map<E['type'], ((event: never) => void)[]>();
  for (const { on } of recorders) {
    for (const [type, handler] of Object.entries(on) as [E['type'], (event: never) => void][]) {
      handlers.set(type, [...(handlers.get(type) ?? []), handler]);
    }
  }
  return (event) => {
    const wanted = handlers.get(event.type);
    if (wanted === undefined) return;
    for (let i = 0; i < wanted.length; i++) wanted[i]!(event as never);
  };
}
