/** Calls and their attempts, as gRFC A66 and A96 count them. */

import type { CallInfo } from '../../call/call.js';
import type { AttemptEnded, AttemptStarted, CallEnded, RetryScheduled } from '../../call/callEvent.js';
import { grpcStatusOf, type StatusName } from '../../core/errorCodes.js';
import type { Node } from '../../core/node.js';
import type { Outcome } from '../../core/nodeStats.js';
import type { grpcMetrics } from './grpcMetrics.js';
import type { MetricScope } from './metricScope.js';
import { MethodTable } from './methodTable.js';
import type { NodeLabels } from './nodeLabels.js';
import type { EventHandlers, Recorder } from './recorder.js';
import type { Histogram, Labels, Scalar } from './series.js';

/** The attempts of one method that ended in one way. */
interface EndedAttempts {
  readonly labels: Labels;
  readonly duration: Histogram;
  /** Made when a transport first tells of a size. */
  sent: Histogram | undefined;
  received: Histogram | undefined;
}

/** The series of one method; those of its ends are made when one is seen. */
interface MethodSeries {
  readonly grpc_method: string;
  readonly started: Scalar;
  readonly retryDelay: Histogram;
  readonly attempts: Map<string, EndedAttempts>;
  readonly calls: Map<StatusName, Histogram>;
  retries: Histogram | undefined;
  transparentRetries: Histogram | undefined;
  hedges: Histogram | undefined;
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
  private readonly methods: MethodTable<MethodSeries>;
  private readonly detours = new Map<CallInfo, Detour>();
  private readonly nodeLabels: NodeLabels;
  private readonly metrics;

  constructor(scope: MetricScope, specs: ReturnType<typeof grpcMetrics>, nodeLabels: NodeLabels, maxMethods: number) {
    this.nodeLabels = nodeLabels;
    this.metrics = {
      started: scope.metric(specs.attemptStarted),
      attempts: scope.metric(specs.attemptDuration),
      sent: scope.metric(specs.attemptSent),
      received: scope.metric(specs.attemptReceived),
      calls: scope.metric(specs.callDuration),
      retries: scope.metric(specs.callRetries),
      transparentRetries: scope.metric(specs.callTransparentRetries),
      hedges: scope.metric(specs.callHedges),
      retryDelay: scope.metric(specs.callRetryDelay),
    };
    this.methods = new MethodTable(maxMethods, (grpc_method) => ({
      grpc_method,
      started: this.metrics.started.scalar({ grpc_method }),
      retryDelay: this.metrics.retryDelay.histogram({ grpc_method }),
      attempts: new Map(),
      calls: new Map(),
      retries: undefined,
      transparentRetries: undefined,
      hedges: undefined,
    }));
  }

  private attemptStarted({ call, attempt, reason, waitedMs, at }: AttemptStarted): void {
    this.methods.of(call.name).started.value++;
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
    const { labels } = ended;
    if (sentBytes !== undefined) (ended.sent ??= this.metrics.sent.histogram(labels)).observe(sentBytes);
    if (receivedBytes !== undefined) {
      (ended.received ??= this.metrics.received.histogram(labels)).observe(receivedBytes);
    }
  }

  private retryScheduled({ call, reason, at }: RetryScheduled): void {
    const detour = this.detourOf(call);
    if (reason === 'retry') detour.retries++;
    else if (reason === 'transparent') detour.transparentRetries++;
    detour.idleSince = at;
  }

  private callEnded({ call, code, latencyMs, at }: CallEnded): void {
    const method = this.methods.of(call.name);
    const { grpc_method } = method;
    const status = grpcStatusOf(code);
    let duration = method.calls.get(status);
    if (duration === undefined) {
      duration = this.metrics.calls.histogram({ grpc_method, grpc_status: status });
      method.calls.set(status, duration);
    }
    duration.observe(latencyMs / 1_000);
    const detour = this.detours.size === 0 ? undefined : this.detours.get(call);
    if (detour === undefined) {
      method.retryDelay.observe(0);
      return;
    }
    this.detours.delete(call);
    detour.resumed(at);
    method.retryDelay.observe(detour.delayMs / 1_000);
    const { retries, transparentRetries, hedges } = this.metrics;
    if (detour.retries > 0) (method.retries ??= retries.histogram({ grpc_method })).observe(detour.retries);
    if (detour.transparentRetries > 0) {
      method.transparentRetries ??= transparentRetries.histogram({ grpc_method });
      method.transparentRetries.observe(detour.transparentRetries);
    }
    if (detour.hedges > 0) (method.hedges ??= hedges.histogram({ grpc_method })).observe(detour.hedges);
  }

  private detourOf(call: CallInfo): Detour {
    let detour = this.detours.get(call);
    if (detour === undefined) this.detours.set(call, (detour = new Detour()));
    return detour;
  }

  private endedAttempts({ grpc_method, attempts }: MethodSeries, status: StatusName, node: Node): EndedAttempts {
    const { nodeLabels } = this;
    const key = nodeLabels.empty ? status : `${status}\n${nodeLabels.keyOf(node)}`;
    let ended = attempts.get(key);
    if (ended === undefined) {
      const labels = { grpc_method, grpc_status: status, ...nodeLabels.of(node) };
      ended = { labels, duration: this.metrics.attempts.histogram(labels), sent: undefined, received: undefined };
      attempts.set(key, ended);
    }
    return ended;
  }
}

/** How an attempt ended, by the name that gRPC has for it. */
export function statusOf({ status, code }: Outcome): StatusName {
  if (status === 'ok') return 'OK';
  return status === 'cancelled' ? 'CANCELLED' : grpcStatusOf(code ?? 'UNKNOWN');
}
