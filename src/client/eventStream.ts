/**
 * The events of a client, of which every listener hears those of a call in the order in which they happen.
 *
 * A listener may act amid an event: give its call up, close the client. What that brings about would overtake the event for
 * those who listen after it, so that they hear of the end of an attempt before its beginning. So what happens to a call
 * while something of it is being told waits until all have heard that. Events of other calls do not wait: an attempt asks
 * its listeners for headers, and begins as soon as they were told.
 */

import { Subject } from 'rxjs';
import type { FleetEvent } from './fleetEvent.js';

/** An event that is being told. */
interface Telling {
  call: object | undefined;
  /** What has happened to its call meanwhile. */
  readonly later: FleetEvent[];
  /** The one amid which it happened. */
  readonly outer: Telling | undefined;
}

export class EventStream extends Subject<FleetEvent> {
  private telling: Telling | undefined = undefined;
  /** Most events happen amid no other: for them nothing is made. */
  private readonly usual: Telling = { call: undefined, later: [], outer: undefined };
  private readonly whenTold: (() => void)[] = [];

  override next(event: FleetEvent): void {
    const { call } = event as { readonly call?: object };
    const outer = this.telling;
    if (outer === undefined) {
      this.usual.call = call;
      this.tell(event, this.usual);
      if (this.whenTold.length > 0) for (const then of this.whenTold.splice(0)) then();
      return;
    }
    const amid = call && tellingOf(call, outer);
    if (amid) amid.later.push(event);
    else this.tell(event, { call, later: [], outer });
  }

  /** Runs it at once, or when all have heard what is being told. */
  afterwards(then: () => void): void {
    if (this.telling === undefined) then();
    else this.whenTold.push(then);
  }

  private tell(event: FleetEvent, telling: Telling): void {
    this.telling = telling;
    const { later, outer } = telling;
    try {
      super.next(event);
      for (let i = 0; i < later.length; i++) super.next(later[i]!);
    } finally {
      if (later.length > 0) later.splice(0);
      this.telling = outer;
    }
  }
}

function tellingOf(call: object, innermost: Telling): Telling | undefined {
  for (let each: Telling | undefined = innermost; each !== undefined; each = each.outer) {
    if (each.call === call) return each;
  }
  return undefined;
}
