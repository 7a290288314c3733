/** The copies of one call: when the next is due, and whether there may be one. */

import type { Expiring } from '../core/deadlineWheel.js';
import type { FleetError } from '../core/fleetError.js';
import type { Node } from '../core/node.js';
import type { Call } from './call.js';
import { hedgeDelay } from './hedgeDelay.js';
import type { HedgeOptions } from './hedgeOptions.js';
import type { PipelinePorts } from './pipelinePorts.js';
import { pushbackOf } from './retryVerdict.js';

/** The run whose copies they are. */
export interface HedgedRun {
  /** Attempts that count for the most that there may be. */
  readonly counted: number;
  /** Attempts that run, each with the node that it was given; none when the call has spoken or waits for a retry. */
  running(): readonly { readonly node: Node | undefined }[];
  /** Sends another copy; false when there is no node for it. */
  hedge(): boolean;
  /** The budget did not allow another copy. */
  refusedHedge(): void;
}

export class Hedging<C, R> implements Expiring {
  private dueAt = 0;
  /** Copies that were sent. */
  private copies = 0;
  /** How often there was no room for one, or no node. */
  private postponed = 0;
  private over = false;
  private readonly most: number;

  constructor(
    private readonly options: HedgeOptions,
    private readonly call: Call<C, R>,
    private readonly ports: PipelinePorts<C>,
    private readonly run: HedgedRun,
  ) {
    this.most = options.maxAttempts ?? 2;
  }

  /** The next copy goes after the delay, unless something is heard before. */
  arm(leastMs = 0): void {
    const { call, ports, options } = this;
    if (this.over || this.dueAt > 0 || this.run.counted >= this.most) return;
    if (!call.idempotent && call.options.failover !== true) return;
    const delayMs = hedgeDelay(options, (fraction) => ports.meter.firstAnswer(call.name, fraction));
    if (delayMs !== undefined) this.armFor(Math.max(leastMs, delayMs) * 2 ** this.postponed);
  }

  disarm(): void {
    if (this.dueAt > 0) this.ports.wheel.delete(this.dueAt, this);
    this.dueAt = 0;
  }

  /** A copy has ended, and leaves its room to others. */
  copyEnded(): void {
    if (this.copies === 0) return;
    this.copies--;
    this.ports.copies.closed(1);
  }

  /** The call has spoken, or is over: there is no other copy. */
  done(): void {
    this.over = true;
    this.disarm();
    this.ports.copies.closed(this.copies);
    this.copies = 0;
  }

  /** A copy failed while others run: the next goes at once, or when the node says, or not at all (gRFC A6). */
  after(error: FleetError): void {
    const pushback = pushbackOf(error);
    this.disarm();
    // For good: the node spoke for all that would follow.
    if (pushback === 'stop') this.over = true;
    else if (this.over) return;
    else if (pushback) this.armFor(pushback);
    else this.launch();
  }

  /** Called by the deadline wheel: nobody has answered for long enough. */
  expire(): void {
    this.dueAt = 0;
    this.launch();
  }

  private armFor(delayMs: number): void {
    const { ports, call } = this;
    const at = ports.now() + delayMs;
    if (at >= call.deadline) return;
    this.dueAt = at;
    ports.wheel.add(at, this);
  }

  private launch(): void {
    const { call, ports, run } = this;
    const running = run.running();
    if (this.over || running.length === 0 || run.counted >= this.most) return;
    // One that still waits for a node is not slow yet.
    if (running.some(({ node }) => node === undefined)) return this.arm(1);
    if (ports.copies.full) {
      // Told once, since it may be so for as long as the call waits.
      if (this.postponed++ === 0) run.refusedHedge();
      return this.arm(1);
    }
    if (!ports.budget.withdraw()) return run.refusedHedge();
    this.copies++;
    ports.copies.opened();
    for (const { node } of running) call.avoid(node!.id);
    if (run.hedge()) return ports.meter.retried(call.name, 'hedge');
    this.disarm();
    this.postponed++;
    this.arm(1);
  }
}
