/** Calls and their attempts, as gRFC A66 and A96 count them. */

import type { CallInfo } from '../call/call.js';
import type { AttemptEnded, AttemptStarted, CallEnded, RetryScheduled } from '../call/callEvent.js';
import { grpcStatusOf, type StatusName } from '../core/errorCodes.js';
import type { Node } from '../core/node.js';
import type { GrpcMetric } from './grpcMetrics.js';
import { MethodTable } from './methodTable.js';
import type { Attributes, Distribution, Metric, Sum } from './metric.js';
import type { NodeAttributes } from './nodeAttributes.js';
import type { EventHandlers, Recorder } from './recorder.js';
import { statusOf } from './statusOf.js';

/** The attempts of one method that ended in one way. */
interface EndedAttempts {
  readonly attributes: Attributes;
  readonly duration: Distribution;
  /** Made when a transport first tells of a size. */
  sent: Distribution | undefined;
  received: Distribution | undefined;
}

/** What is counted of one method; what its ends need is made when one is seen. */
interface MethodCounts {
  readonly method: string;
  readonly started: Sum;
  readonly retryDelay: Distribution;
  readonly attempts: Map<string, EndedAttempts>;
  readonly calls: Map<StatusName, Distribution>;
  retries: Distribution | undefined;
  transparentRetries: Distribution | undefined;
  hedges: Distribution | undefined;
}

/** What is kept of a call that did not go the plain way. */
class Detour {
  retries = 0;
  transparentRetries = 0;
  hedges = 0;
  delayMs = 0;
  /** Since when it has no attempt under way; undefined while it has one. */
  idleSince: number | undefined = undefined;
  /** How long attempts waited for a node, by their number. */
  readonly waits = new Map<number, number>();

  resumed(at: number): void {
    if (this.idleSince !== undefined) this.delayMs += Math.max(0, at - this.idleSince);
    this.idleSince = undefined;
  }
}

export class CallRecorder implements Recorder {
  readonly on: EventHandlers = {
    attemptStarted: (event) => this.attemptStarted(event),
    attemptEnded: (event) => this.attemptEnded(event),
    retryScheduled: (event) => this.retryScheduled(event),
    callEnded: (event) => this.callEnded(event),
  };
  private readonly methods: MethodTable<MethodCounts>;
  private readonly detours = new Map<CallInfo, Detour>();
  private readonly sized: boolean;
  private readonly nodeAttributes: NodeAttributes;
  private readonly metrics: Readonly<Record<GrpcMetric, Metric>>;

  constructor(metrics: Readonly<Record<GrpcMetric, Metric>>, nodeAttributes: NodeAttributes, maxMethods: number) {
    this.nodeAttributes = nodeAttributes;
    this.metrics = metrics;
    this.sized = !(metrics.attemptSent.silent && metrics.attemptReceived.silent);
    this.methods = new MethodTable(maxMethods, (method) => ({
      method,
      started: metrics.attemptStarted.sum({ method }),
      retryDelay: metrics.callRetryDelay.distribution({ method }),
      attempts: new Map(),
      calls: new Map(),
      retries: undefined,
      transparentRetries: undefined,
      hedges: undefined,
    }));
  }

  private attemptStarted(event: AttemptStarted): void {
    const { call, attempt, reason, waitedMs, at } = event;
    if (this.sized) event.watchMessages();
    this.methods.of(call.name).started.add(1);
    if (attempt === 1 && waitedMs === 0) return;
    const detour = this.detourOf(call);
    if (reason === 'hedge') detour.hedges++;
    if (waitedMs > 0) detour.waits.set(attempt, waitedMs);
    detour.resumed(at);
  }

  private attemptEnded({ call, attempt, node, outcome, sentBytes, receivedBytes }: AttemptEnded): void {
    const ended = this.endedAttempts(this.methods.of(call.name), statusOf(outcome), node);
    const waitedMs = this.detours.size === 0 ? 0 : (this.detours.get(call)?.waits.get(attempt) ?? 0);
    ended.duration.observe((outcome.latencyMs + waitedMs) / 1_000);
    const { attributes } = ended;
    const { attemptSent, attemptReceived } = this.metrics;
    if (sentBytes !== undefined) (ended.sent ??= attemptSent.distribution(attributes)).observe(sentBytes);
    if (receivedBytes !== undefined) {
      (ended.received ??= attemptReceived.distribution(attributes)).observe(receivedBytes);
    }
  }

  private retryScheduled({ call, reason, at }: RetryScheduled): void {
    const detour = this.detourOf(call);
    if (reason === 'retry') detour.retries++;
    else if (reason === 'transparent') detour.transparentRetries++;
    detour.idleSince = at;
  }

  private callEnded({ call, code, latencyMs, at }: CallEnded): void {
    const counts = this.methods.of(call.name);
    const { method } = counts;
    const status = grpcStatusOf(code);
    let duration = counts.calls.get(status);
    if (duration === undefined) {
      duration = this.metrics.callDuration.distribution({ method, status });
      counts.calls.set(status, duration);
    }
    duration.observe(latencyMs / 1_000);
    const detour = this.detours.size === 0 ? undefined : this.detours.get(call);
    if (detour === undefined) {
      counts.retryDelay.observe(0);
      return;
    }
    this.detours.delete(call);
    detour.resumed(at);
    counts.retryDelay.observe(detour.delayMs / 1_000);
    const { callRetries, callTransparentRetries, callHedges } = this.metrics;
    if (detour.retries > 0) (counts.retries ??= callRetries.distribution({ method })).observe(detour.retries);
    if (detour.transparentRetries > 0) {
      counts.transparentRetries ??= callTransparentRetries.distribution({ method });
      counts.transparentRetries.observe(detour.transparentRetries);
    }
    if (detour.hedges > 0) (counts.hedges ??= callHedges.distribution({ method })).observe(detour.hedges);
  }

  private detourOf(call: CallInfo): Detour {
    let detour = this.detours.get(call);
    if (detour === undefined) this.detours.set(call, (detour = new Detour()));
    return detour;
  }

  private endedAttempts({ method, attempts }: MethodCounts, status: StatusName, node: Node): EndedAttempts {
    const { nodeAttributes } = this;
    const key = nodeAttributes.empty ? status : `${status}\n${nodeAttributes.keyOf(node)}`;
    let ended = attempts.get(key);
    if (ended === undefined) {
      const attributes = { method, status, ...nodeAttributes.of(node) };
      const duration = this.metrics.attemptDuration.distribution(attributes);
      ended = { attributes, duration, sent: undefined, received: undefined };
      attempts.set(key, ended);
    }
    return ended;
  }
}
