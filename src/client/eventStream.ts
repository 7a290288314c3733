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
  readonly call: unknown;
  /** What has happened to its call meanwhile. */
  readonly later: FleetEvent[];
  /** The one amid which it happened. */
  readonly outer: Telling | undefined;
}

export class EventStream extends Subject<FleetEvent> {
  private telling: Telling | undefined = undefined;
  private readonly whenTold: (() => void)[] = [];

  override next(event: FleetEvent): void {
    const call = 'call' in event ? event.call : undefined;
    const amid = call && this.tellingOf(call);
    if (amid) return void amid.later.push(event);
    const outer = this.telling;
    const telling: Telling = { call, later: [], outer };
    this.telling = telling;
    try {
      super.next(event);
      for (const next of telling.later) super.next(next);
    } finally {
      this.telling = outer;
    }
    if (outer === undefined) for (const then of this.whenTold.splice(0)) then();
  }

  /** Runs it at once, or when all have heard what is being told. */
  afterwards(then: () => void): void {
    if (this.telling === undefined) then();
    else this.whenTold.push(then);
  }

  private tellingOf(call: object): Telling | undefined {
    for (let each = this.telling; each !== undefined; each = each.outer) if (each.call === call) return each;
    return undefined;
  }
}
