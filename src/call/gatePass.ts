/** The way of one call through the gates before its first attempt, and out of them at its end. */

import { FleetError } from '../core/fleetError.js';
import type { CallInfo } from './call.js';
import type { PipelinePorts } from './pipelinePorts.js';
import type { Entrant } from './policy.js';

/** Whose way it is. */
export interface GateUser {
  /** All gates let it in. */
  admitted(): void;
  /** One sent it away. */
  refused(error: FleetError): void;
}

export class GatePass implements Entrant {
  readonly call: CallInfo & { readonly endedAt: number };
  private readonly ports: PipelinePorts<never>;
  private readonly user: GateUser;
  /** Gates that it has passed and must leave. */
  private passed = 0;
  private waiting = false;
  /** When the last gate let it in; nothing before. */
  private admittedAt = NaN;

  constructor(call: CallInfo & { readonly endedAt: number }, ports: PipelinePorts<never>, user: GateUser) {
    this.call = call;
    this.ports = ports;
    this.user = user;
  }

  /** Through the gates that are left. */
  enter(): void {
    const { gates } = this.ports;
    try {
      while (this.passed < gates.length) {
        if (!gates[this.passed]!.enter(this)) {
          this.waiting = true;
          return;
        }
        this.passed++;
      }
    } catch (thrown) {
      this.user.refused(FleetError.from(thrown));
      return;
    }
    this.admittedAt = this.ports.clock();
    this.user.admitted();
  }

  /** A gate lets it go on after a wait. */
  admit(): void {
    this.waiting = false;
    this.passed++;
    this.enter();
  }

  /** A gate sends it away after a wait. */
  refuse(error: FleetError): void {
    this.waiting = false;
    this.user.refused(error);
  }

  /** The call is over, wherever it is. */
  leave(code: FleetError['code'] | 'OK'): void {
    const { gates, clock } = this.ports;
    if (this.waiting) gates[this.passed]!.withdraw(this);
    this.waiting = false;
    if (this.passed === 0) return;
    // A call that only some let in has not begun.
    const latencyMs = (this.call.endedAt || clock()) - this.admittedAt || 0;
    const end = { code, latencyMs };
    for (let i = this.passed - 1; i >= 0; i--) gates[i]!.leave(this, end);
    this.passed = 0;
  }
}
