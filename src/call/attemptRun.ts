/** One try of a call on one node: pick, run, and tell how it ended. */

import type { Unsubscribable } from 'rxjs';
import type { NoPick, Pick, Picker } from '../balancer/picker.js';
import { formatAddress } from '../core/address.js';
import type { AnswerSink } from '../core/answerSink.js';
import type { CallStatus } from '../core/channel.js';
import type { Expiring } from '../core/deadlineWheel.js';
import type { Demand } from '../core/demand.js';
import { FleetError } from '../core/fleetError.js';
import type { Metadata } from '../core/metadata.js';
import type { Node } from '../core/node.js';
import type { Outcome } from '../core/nodeStats.js';
import { attemptEvents, decisionOf } from './attemptEvents.js';
import type { AttemptContext, Call, CallOptions } from './call.js';
import type { AttemptReason } from './callEvent.js';
import { guardedPick } from './guardedPick.js';
import type { MessageCount } from './messageCount.js';
import { isBarred, nobody, waitingHelps } from './nobody.js';
import { NodeWait, type NodeSeeker } from './nodeWait.js';
import type { Lease, PipelinePorts } from './pipelinePorts.js';
import { startWithin } from './startWithin.js';

/** Who runs the attempts of a call. */
export interface AttemptOwner<C, R> {
  /** When the first of them may begin, on the stopwatch. */
  readonly begunAt: number;
  answered(attempt: AttemptRun<C, R>, answer: R): void;
  failed(attempt: AttemptRun<C, R>, error: FleetError): void;
  completed(attempt: AttemptRun<C, R>): void;
}

/**
 * Picks a node (avoiding those that the call has tried, waiting while nodes are pending), runs the call on its connection,
 * and reports the outcome to the pick: the one thing that flows back.
 *
 * Fails with what the node said; `NO_NODES` or `NO_NODE_FOR_TASK` when nobody can take it; what a breaker or limiter says
 * when those who could are shut.
 */
export class AttemptRun<C, R> implements AnswerSink<R>, AttemptContext, NodeSeeker, Expiring, Unsubscribable {
  readonly call: Call<C, R>;
  readonly number: number;
  readonly reason: AttemptReason;
  readonly previous: number;
  /** The node that was picked; undefined before. */
  node: Node = undefined as never;
  metadata: Metadata | undefined;
  watcher: MessageCount | undefined = undefined;
  /** It failed since its node was silent for too long. */
  silent = false;
  private readonly ports: PipelinePorts<C>;
  private readonly owner: AttemptOwner<C, R>;
  private wait: NodeWait | undefined = undefined;
  private running: Unsubscribable | undefined = undefined;
  private picked: Pick | undefined = undefined;
  private lease: Lease | undefined = undefined;
  private begunAt = 0;
  private firstMessageMs: number | undefined = undefined;
  private firstResponseBy = 0;
  private messages = 0;
  private over = false;
  /** False for one that was given up before anybody was told of its beginning. */
  private begun = true;
  private wire: CallStatus | undefined = undefined;

  /** @param previous attempts before this one that reached a node, as gRFC A6 counts them. */
  constructor(
    call: Call<C, R>,
    ports: PipelinePorts<C>,
    owner: AttemptOwner<C, R>,
    number: number,
    reason: AttemptReason,
    previous: number,
  ) {
    this.call = call;
    this.ports = ports;
    this.owner = owner;
    this.number = number;
    this.reason = reason;
    this.previous = previous;
    this.metadata = call.metadata;
  }

  get options(): CallOptions {
    return this.call.options;
  }

  get deadline(): number {
    return this.call.deadline;
  }

  get demand(): Demand | undefined {
    return this.call.demand;
  }

  pick(): void {
    if (this.over) return;
    const { balancer } = this.call.options;
    let picker: Picker;
    try {
      picker = this.ports.picker(balancer);
    } catch (thrown) {
      return this.refuse(FleetError.from(thrown));
    }
    this.pickFrom(picker);
  }

  next(value: R): void {
    if (this.over) return;
    this.messages++;
    if (this.firstMessageMs === undefined) {
      const { call } = this;
      const at = this.ports.clock();
      const latencyMs = (this.firstMessageMs = at - this.begunAt);
      if (call.firstAnswerAt === 0) call.firstAnswerAt = at;
      this.stopFirstResponseTimer();
      // The one answer means success, also to a consumer that takes it and leaves.
      if (call.single) this.end(at, 'ok', latencyMs, undefined);
      else for (const gate of this.ports.nodeGates) gate.answered?.(this.node, call, latencyMs);
    }
    this.owner.answered(this, value);
  }

  error(thrown: unknown): void {
    if (this.over) return;
    this.over = true;
    this.owner.failed(this, this.fail(FleetError.from(thrown)));
  }

  complete(): void {
    if (this.over) return;
    this.over = true;
    if (this.picked !== undefined) {
      const at = this.ports.clock();
      this.end(at, 'ok', at - this.begunAt, undefined);
    }
    this.owner.completed(this);
  }

  status(status: CallStatus): void {
    this.wire = status;
  }

  single(): void {
    this.call.single = true;
  }

  /** Called by the deadline wheel: no first response in time. */
  expire(): void {
    const ms = this.call.options.firstResponseTimeoutMs;
    this.silent = true;
    this.running?.unsubscribe();
    this.error(new FleetError('UNAVAILABLE', `no response within ${ms} ms (firstResponseTimeoutMs)`));
  }

  /** Nobody takes it, after a wait, or nobody could be asked. */
  refuse(error: FleetError): void {
    if (this.over) return;
    this.over = true;
    this.wait?.leave();
    this.owner.failed(this, this.withAccount(error, undefined));
  }

  /** Gives it up for another one that was first. */
  outrun(): void {
    this.cancel(true);
  }

  /** Fails it from outside, as a stall does. */
  abort(error: FleetError): void {
    this.running?.unsubscribe();
    this.error(error);
  }

  /** What has not ended by now was cancelled, by the caller or by the deadline. */
  unsubscribe(): void {
    this.cancel(false);
  }

  private cancel(outrun: boolean): void {
    if (this.over) return;
    this.over = true;
    this.wait?.unsubscribe();
    this.running?.unsubscribe();
    if (this.picked === undefined) return;
    if (this.call.expired) this.fail(new FleetError('DEADLINE_EXCEEDED', 'no answer within the deadline'));
    else {
      const at = this.ports.clock();
      this.end(at, 'cancelled', at - this.begunAt, undefined, outrun);
    }
  }

  pickFrom(picker: Picker): void {
    const { call, ports } = this;
    const { nodeGates } = ports;
    call.picks++;
    let picked: Pick | NoPick;
    let refused: FleetError | undefined = undefined;
    // Balancers, requirements and gates of the user's own may throw, also long after the call began to wait.
    try {
      // A copy on the same node would only double its work.
      const context = call.pickContext(this.reason === 'hedge');
      picked = nodeGates.length === 0 ? picker.pick(context) : guardedPick(picker, context, nodeGates, call);
      if (this.over) return this.undo(picked);
      if (!picked.node) {
        // A copy has a call that goes on without it.
        const mayWait = this.reason !== 'hedge';
        if (mayWait && waitingHelps(picked, picker, call.options.waitForReady)) return this.waits().forPickers();
        this.wait?.leave();
        if (mayWait && isBarred(picked) && picked.gates.some((gate) => this.waits().at(gate))) return;
        refused = this.withAccount(nobody(call.name, call.options.requires, picked), picked);
      }
    } catch (thrown) {
      return this.refuse(FleetError.from(thrown));
    }
    if (picked.node) {
      this.wait?.leave();
      return this.start(picked);
    }
    this.over = true;
    if (ports.events.observed) attemptEvents.decisionMade(ports, this, undefined, picked);
    this.owner.failed(this, refused!);
  }

  /** It was given up by somebody who was told of something within the pick. */
  private undo(picked: Pick | NoPick): void {
    if (!picked.node) return;
    for (const gate of this.ports.nodeGates.toReversed()) gate.undo(picked.node, this.call);
    picked.release();
  }

  private waits(): NodeWait {
    return (this.wait ??= new NodeWait(this.call as never, this.ports as never, this));
  }

  private start(picked: Pick): void {
    const { call, ports } = this;
    const { node } = picked;
    this.picked = picked;
    this.node = node;
    call.node = node.id;
    // The first attempt, if it finds a node at once, begins then.
    const waitedSince = this.wait === undefined ? 0 : this.wait.since;
    const atOnce = this.number === 1 && waitedSince === 0;
    this.begunAt = atOnce ? this.owner.begunAt : ports.clock();
    const timeoutMs = call.options.firstResponseTimeoutMs;
    if (timeoutMs !== undefined) {
      this.firstResponseBy = (atOnce && this.begunAt === call.begunAt ? call.startedAt : ports.now()) + timeoutMs;
      ports.wheel.add(this.firstResponseBy, this);
    }
    if (this.number > 1 && this.reason !== 'hedge' && !call.tried?.has(node.id)) ports.meter.failedOver(call.name);
    if (ports.events.observed) {
      this.begun = false;
      attemptEvents.decisionMade(ports, this, node, picked);
      // Who was told of it may have given the call up.
      if (this.over) return;
      this.begun = true;
      attemptEvents.started(ports, this, node, waitedSince);
      if (this.over) return;
    }
    // Whether what runs is of `use`: what that throws is no failure of the node.
    let ofUse = true;
    try {
      for (const begin of ports.beginning) begin(this);
      ofUse = false;
      this.lease = ports.acquire(node);
      if (!this.lease) throw new FleetError('UNAVAILABLE', 'the node has just gone', { sent: false });
      const connection = ports.resourceOf(this.lease.connection);
      // Within middlewares the failures of a connection are told, not thrown.
      ofUse = ports.around !== undefined;
      const running =
        ports.around === undefined
          ? call.start(connection, this, this)
          : startWithin(ports.around, call, connection, this, this);
      this.running = running;
      // It may have ended, or been given up, within the call above.
      if (this.over) running.unsubscribe();
    } catch (thrown) {
      this.error(ofUse ? misuse(thrown) : thrown);
    }
  }

  /** Enters the failure into the account of the call, and gives it the name of the node. */
  private fail(error: FleetError): FleetError {
    const { picked, call, number } = this;
    if (!picked) return error;
    const { node } = picked;
    const { code, blame } = error;
    const at = this.ports.clock();
    const durationMs = at - this.begunAt;
    call.failed({ node: node.id, address: formatAddress(node.address), code, message: error.detail, durationMs }, () =>
      decisionOf(number, node, picked),
    );
    this.end(at, 'failed', durationMs, { code, blame, message: error.detail });
    return error.with({ node: node.id, attempts: call.attempts.slice(), decisions: call.decisions.slice() });
  }

  private end(
    at: number,
    status: Outcome['status'],
    latencyMs: number,
    failure: { readonly code: Outcome['code']; readonly blame: Outcome['blame']; readonly message: string } | undefined,
    outrun = false,
  ): void {
    const { picked, lease, ports, call, wire } = this;
    if (picked === undefined) return;
    const { node } = picked;
    this.picked = undefined;
    call.endedAt = at;
    this.stopFirstResponseTimer();
    const outcome: Outcome = {
      status,
      latencyMs,
      firstMessageMs: this.firstMessageMs,
      code: failure?.code,
      blame: failure?.blame,
      at,
      load: wire === undefined ? undefined : ports.loadOf(wire.trailers),
    };
    picked.end(outcome);
    lease?.release();
    for (const gate of ports.nodeGates) gate.leave(node, call, outcome);
    ports.ended(node, outcome);
    if (ports.events.observed && this.begun) {
      const { messages } = this;
      attemptEvents.ended(ports, this, { node, outcome, outrun, messages, wire, message: failure?.message ?? '' });
    }
  }

  private withAccount(error: FleetError, pick: NoPick | undefined): FleetError {
    const { call, number } = this;
    const decisions = pick ? [...call.decisions, () => decisionOf(number, undefined, pick)] : call.decisions.slice();
    return error.with({ attempts: call.attempts.slice(), decisions });
  }

  private stopFirstResponseTimer(): void {
    if (this.firstResponseBy) this.ports.wheel.delete(this.firstResponseBy, this);
    this.firstResponseBy = 0;
  }
}

/** What a policy or a middleware around attempts threw before anything was sent; a `FleetError` says itself what it is. */
function misuse(thrown: unknown): FleetError {
  if (thrown instanceof FleetError) return thrown;
  const { detail } = FleetError.from(thrown);
  const message = `use: what is around attempts threw before anything was sent: ${detail}`;
  return new FleetError('INVALID_OPTION', message, { sent: false, cause: thrown });
}
