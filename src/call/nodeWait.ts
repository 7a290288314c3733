/** The wait of an attempt that finds no node now: for the next picker, or at a gate that is shut. */

import type { Unsubscribable } from 'rxjs';
import type { Picker } from '../balancer/picker.js';
import { FleetError } from '../core/fleetError.js';
import type { Call } from './call.js';
import type { PipelinePorts } from './pipelinePorts.js';
import type { Entrant, NodeGate } from './policy.js';

/** Who waits. */
export interface NodeSeeker {
  /** Asks the picker that there is now. */
  pick(): void;
  pickFrom(picker: Picker): void;
  /** It has waited in vain. */
  refuse(error: FleetError): void;
}

export class NodeWait implements Entrant, Unsubscribable {
  readonly call: Call<never, never>;
  /** When it began to wait, in milliseconds since the epoch; 0 before. */
  since = 0;
  private readonly ports: PipelinePorts<never>;
  private readonly seeker: NodeSeeker;
  private waiting: Unsubscribable | undefined = undefined;
  private over = false;

  constructor(call: Call<never, never>, ports: PipelinePorts<never>, seeker: NodeSeeker) {
    this.call = call;
    this.ports = ports;
    this.seeker = seeker;
  }

  /** Has each new picker asked. */
  forPickers(): void {
    const { call, ports, seeker } = this;
    this.since ||= ports.now();
    this.waiting ??= ports.picker$(call.options.balancer).subscribe({
      next: (fresh) => seeker.pickFrom(fresh),
      error: (error: unknown) => this.refuse(FleetError.from(error)),
      complete: () => this.refuse(new FleetError('CLOSED', `${call.name}: the client was closed`, { sent: false })),
    });
  }

  /** Waits at a gate; false where it takes nobody who waits. */
  at(gate: NodeGate): boolean {
    if (gate.wait === undefined) return false;
    try {
      if (!gate.wait(this)) return false;
    } catch (thrown) {
      this.refuse(FleetError.from(thrown));
      return true;
    }
    // It may have been given up within the call above.
    if (this.over) gate.withdraw?.(this);
    else this.waiting = { unsubscribe: () => gate.withdraw?.(this) };
    this.since ||= this.ports.now();
    return true;
  }

  /** The gate may be open. */
  admit(): void {
    this.waiting = undefined;
    this.seeker.pick();
  }

  refuse(error: FleetError): void {
    this.waiting = undefined;
    this.seeker.refuse(error);
  }

  /** There is nothing to wait for any more where it waited. */
  leave(): void {
    this.waiting?.unsubscribe();
    this.waiting = undefined;
  }

  unsubscribe(): void {
    this.over = true;
    this.leave();
  }
}
