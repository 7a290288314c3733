/** The way of one call through the gates before its first attempt, and out of them at its end. */

import { FleetError } from '../core/fleetError.js';
import type { CallInfo } from './call.js';
import type { PipelinePorts } from './pipelinePorts.js';
import type { Entrant, GateEnd } from './policy.js';

/** Whose way it is. */
export interface GateUser {
  /** All gates let it in. */
  admitted(): void;
  /** One sent it away. */
  refused(error: FleetError): void;
}

/** A call, with the times that are known of it; 0 while they are not. */
type TimedCall = CallInfo & { readonly firstAnswerAt: number; readonly endedAt: number };

export class GatePass implements Entrant {
  readonly call: TimedCall;
  private readonly ports: PipelinePorts<never>;
  private readonly user: GateUser;
  private readonly begunAt: number;
  /** Gates that it has passed and must leave. */
  private passed = 0;
  private waiting = false;
  private over = false;
  /** At which gate it was when it was over. */
  private stoodAt = 0;
  private hasWaited = false;
  /** When the last gate let it in, on the stopwatch; nothing before. */
  admittedAt = NaN;

  /** @param begunAt when it comes to the first gate, on the stopwatch. */
  constructor(call: TimedCall, ports: PipelinePorts<never>, user: GateUser, begunAt: number) {
    this.call = call;
    this.begunAt = begunAt;
    this.ports = ports;
    this.user = user;
  }

  /** Through the gates that are left. */
  enter(): void {
    const { gates } = this.ports;
    try {
      while (this.passed < gates.length) {
        const at = this.passed;
        const gate = gates[at]!;
        const admitted = gate.enter(this);
        // The call may have been given up within that.
        if (this.over) return admitted ? gate.leave(this, this.endOf('CANCELLED')) : gate.withdraw(this);
        if (!admitted) {
          // Whom the gate sent away for it may have made room within that, so that it has gone on.
          if (this.passed !== at) return;
          this.waiting = true;
          this.hasWaited = true;
          return;
        }
        this.passed++;
      }
    } catch (thrown) {
      this.user.refused(FleetError.from(thrown));
      return;
    }
    this.admittedAt = this.hasWaited ? this.ports.clock() : this.begunAt;
    this.user.admitted();
  }

  /** A gate lets it go on after a wait. */
  admit(): void {
    // It was given up by somebody who was told of that.
    if (this.over) return this.ports.gates[this.stoodAt]!.leave(this, this.endOf('CANCELLED'));
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
  leave(code: GateEnd['code']): void {
    const { gates } = this.ports;
    this.over = true;
    this.stoodAt = this.passed;
    if (this.waiting) gates[this.passed]!.withdraw(this);
    this.waiting = false;
    if (this.passed === 0) return;
    const end = this.endOf(code);
    for (let i = this.passed - 1; i >= 0; i--) gates[i]!.leave(this, end);
    this.passed = 0;
  }

  private endOf(code: GateEnd['code']): GateEnd {
    const { call, admittedAt } = this;
    const at = call.endedAt || this.ports.clock();
    // A call that only some let in has not begun.
    const firstMessageMs = call.firstAnswerAt === 0 ? undefined : call.firstAnswerAt - admittedAt;
    return { code, latencyMs: at - admittedAt || 0, firstMessageMs, at };
  }
}
