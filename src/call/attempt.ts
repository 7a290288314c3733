/** One try of a call on one node: pick, run, and tell how it ended. */

import { Observable, type Subscriber, type Subscription } from 'rxjs';
import type { NoPick, Pick, PickContext, Picker } from '../balancer/picker.js';
import { formatAddress } from '../core/address.js';
import type { DeadlineWheel } from '../core/deadlineWheel.js';
import { FleetError } from '../core/fleetError.js';
import type { Node } from '../core/node.js';
import type { Outcome } from '../core/nodeStats.js';
import type { Call, CallOptions } from './call.js';
import type { Handler } from './middleware.js';

/** A connection that is kept open while a call uses it. */
export interface Lease<C> {
  readonly connection: C;
  release(): void;
}

/** What an attempt needs of the client around it. */
export interface AttemptPorts<C> {
  /** The picker now; replaced with every node set. */
  readonly picker: () => Picker;
  /** Each new picker, for calls that wait for a node. */
  readonly picker$: Observable<Picker>;
  /** The connection to a node, or undefined when the node has just gone. */
  readonly acquire: (node: Node) => Lease<C> | undefined;
  /** Told how each attempt ended. */
  readonly ended: (node: Node, outcome: Outcome) => void;
  readonly wheel: DeadlineWheel;
  readonly now: () => number;
}

/**
 * The innermost handler. Picks a node (avoiding those that the call has tried, waiting while nodes are pending), runs
 * the call on its connection, and reports the outcome to the pick: the one thing that flows back.
 *
 * Errors with what the node said, or `NO_NODES` / `NO_NODE_FOR_TASK`.
 */
export function attempt<C>(ports: AttemptPorts<C>): Handler<C> {
  return <R>(call: Call<C, R>) =>
    new Observable<R>((subscriber) => {
      const run = new AttemptRun<C, R>(call, ports, subscriber);
      run.pick(ports.picker());
      return run;
    });
}

class AttemptRun<C, R> {
  private waiting: Subscription | undefined;
  private running: Subscription | undefined;
  private picked: Pick | undefined;
  private lease: Lease<C> | undefined;
  private startedAt = 0;
  private firstMessageMs: number | undefined;
  private firstResponseBy = 0;

  constructor(
    private readonly call: Call<C, R>,
    private readonly ports: AttemptPorts<C>,
    private readonly subscriber: Subscriber<R>,
  ) {}

  pick(picker: Picker): void {
    const { options, tried } = this.call;
    const context: PickContext = { key: options.key, requires: options.requires, exclude: tried };
    const picked = picker.pick(context);
    if (picked.node) {
      this.waiting?.unsubscribe();
      this.start(picked);
    } else if (canHelp(options, picked) || waitsForDiscovery(picker)) {
      this.waiting ??= this.ports.picker$.subscribe({
        next: (fresh) => this.pick(fresh),
        error: (error: unknown) => this.subscriber.error(error),
        complete: () => this.subscriber.error(new FleetError('CLOSED', `${this.call.name}: the client was closed`)),
      });
    } else {
      this.waiting?.unsubscribe();
      this.subscriber.error(noNode(this.call, picked));
    }
  }

  /** Called by the deadline wheel: no first response in time. */
  expire(): void {
    const ms = this.call.options.firstResponseTimeoutMs;
    this.running?.unsubscribe();
    this.error(new FleetError('UNAVAILABLE', `no response within ${ms} ms (firstResponseTimeoutMs)`));
  }

  /** Teardown: what has not ended by now was cancelled, by the caller or by the deadline. */
  unsubscribe(): void {
    this.waiting?.unsubscribe();
    if (!this.picked) return;
    this.running?.unsubscribe();
    if (this.call.expired) this.fail(new FleetError('DEADLINE_EXCEEDED', 'no answer within the deadline'));
    else this.end({ status: 'cancelled', latencyMs: this.elapsed(), firstMessageMs: this.firstMessageMs });
  }

  private start(picked: Pick): void {
    const { call, ports } = this;
    const { node } = picked;
    this.picked = picked;
    // The first attempt, if it did not wait, begins with the call.
    this.startedAt = this.waiting || call.tried ? ports.now() : call.startedAt;
    const timeoutMs = call.options.firstResponseTimeoutMs;
    if (timeoutMs !== undefined) {
      this.firstResponseBy = this.startedAt + timeoutMs;
      ports.wheel.add(this.firstResponseBy, this);
    }
    try {
      this.lease = ports.acquire(node);
      if (!this.lease) throw new FleetError('UNAVAILABLE', 'the node has just gone', { sent: false });
      const { deadline, metadata, demand } = call;
      const context = { node, deadline, metadata, demand };
      this.running = call.run(this.lease.connection, context).subscribe({
        next: (value) => this.next(value),
        error: (error: unknown) => this.error(error),
        complete: () => this.complete(),
      });
      if (!this.picked) this.running.unsubscribe();
    } catch (thrown) {
      this.error(thrown);
    }
  }

  private next(value: R): void {
    if (this.firstMessageMs === undefined) {
      const latencyMs = (this.firstMessageMs = this.elapsed());
      this.stopFirstResponseTimer();
      // The one answer means success, also to a consumer that takes it and leaves.
      if (this.call.single) this.end({ status: 'ok', latencyMs, firstMessageMs: latencyMs });
    }
    this.subscriber.next(value);
  }

  private error(thrown: unknown): void {
    this.subscriber.error(this.fail(FleetError.from(thrown)));
  }

  private complete(): void {
    if (this.picked) this.end({ status: 'ok', latencyMs: this.elapsed(), firstMessageMs: this.firstMessageMs });
    this.subscriber.complete();
  }

  /** Enters the failure into the account of the call, and gives it the name of the node. */
  private fail(error: FleetError): FleetError {
    const node = this.picked?.node;
    if (!node) return error;
    const { code, blame } = error;
    const durationMs = this.elapsed();
    this.call.failed({ node: node.id, address: formatAddress(node.address), code, message: error.detail, durationMs });
    this.end({ status: 'failed', code, blame, latencyMs: durationMs, firstMessageMs: this.firstMessageMs });
    return error.with({ node: node.id, attempts: this.call.attempts.slice() });
  }

  private end(outcome: Outcome): void {
    const { picked, lease } = this;
    if (!picked) return;
    this.picked = undefined;
    this.stopFirstResponseTimer();
    picked.end(outcome);
    lease?.release();
    this.ports.ended(picked.node, outcome);
  }

  private stopFirstResponseTimer(): void {
    if (this.firstResponseBy) this.ports.wheel.delete(this.firstResponseBy, this);
    this.firstResponseBy = 0;
  }

  private elapsed(): number {
    return this.ports.now() - this.startedAt;
  }
}

/** Waiting helps while nodes are dialled or asked, and where the caller says so, unless nobody has what is required. */
function canHelp({ waitForReady }: CallOptions, { pending, code }: NoPick): boolean {
  return pending || (waitForReady === true && code === 'NO_NODES');
}

/** Nothing is known yet, but the source has not spoken either. */
function waitsForDiscovery({ set }: Picker): boolean {
  return set.size === 0 && set.stale !== undefined;
}

function noNode<C, R>(call: Call<C, R>, { code, why }: NoPick): FleetError {
  const { attempts, options } = call;
  const shown = why.leftOut.slice(0, 5).map(({ node, reason }) => `${node}: ${reason}`);
  const more = why.leftOut.length > shown.length ? `, and ${why.leftOut.length - shown.length} more` : '';
  const known = shown.length
    ? `. Known are ${shown.join('; ')}${more}`
    : '. None is known: start one, or check discovery';
  const what = code === 'NO_NODE_FOR_TASK' ? `no node offers ${options.requires?.name}` : 'no node can take the call';
  return new FleetError(code, `${call.name}: ${what}${known}`, { attempts: attempts.slice(), sent: false });
}
