/** Spans of calls and their attempts, from events. */

import type { Context, HrTime, Tracer } from '@opentelemetry/api';
import { asyncScheduler } from 'rxjs';
import type { CallInfo } from '../../call/call.js';
import type { CallEnded, CallStarted, DecisionMade } from '../../call/callEvent.js';
import type { NodeSet } from '../../core/nodeSet.js';
import type { InferenceAnswered, InferenceInfo } from '../../lumen/inferenceEvent.js';
import { MethodTable } from '../methodTable.js';
import type { EventHandlers, Recorder } from '../recorder.js';
import { CallSpan, type CallSpanPorts } from './callSpan.js';
import { genAiAttributesOf, genAiAttributesOfAnswer } from './genAiAttributes.js';
import type { ResolvedOpenTelemetryOptions } from './openTelemetryOptions.js';
import { otelApi } from './otelApi.js';
import { spanMethod, type SpanMethod } from './spanMethod.js';
import { traceContext } from './traceContext.js';
import type { WatchedEvent } from './watched.js';

/** What is known of an inference that runs. */
interface RunningInference {
  /** What was active where it was subscribed to. */
  readonly context: Context;
  /** Of its last call. */
  call: CallSpan | undefined;
}

export class SpanRecorder implements Recorder<WatchedEvent> {
  readonly on: EventHandlers<WatchedEvent> = {
    inferenceStarted: ({ inference }) => {
      this.inferences.set(inference, { context: otelApi.context.active(), call: undefined });
    },
    inferenceAnswered: (event) => this.inferenceAnswered(event),
    inferenceEnded: ({ inference }) => void this.inferences.delete(inference),
    callStarted: (event) => this.callStarted(event),
    decision: (event) => this.decided(event),
    attemptStarted: (event) => this.calls.get(event.call)?.attemptStarted(event),
    attemptEnded: (event) => this.calls.get(event.call)?.attemptEnded(event),
    retryScheduled: ({ call, reason, delayMs, after, pushback, at }) => {
      const attributes = { 'rxfleet.retry.reason': reason, 'rxfleet.retry.pushback': pushback, 'error.type': after };
      this.recorded(call)?.event('rxfleet.retry', { ...attributes, 'rxfleet.retry.delay': delayMs / 1_000 }, at);
    },
    retryRefused: ({ call, reason, code, at }) => {
      const attributes = { 'rxfleet.retry.refusal_reason': reason, ...(code && { 'error.type': code }) };
      this.recorded(call)?.event('rxfleet.retry_refused', attributes, at);
    },
    resumed: ({ call, after, messages, continuity, at }) => {
      const attributes = { 'rxfleet.resume.continuity': continuity, 'rxfleet.resume.messages': messages };
      this.recorded(call)?.event('rxfleet.resumed', { ...attributes, 'error.type': after }, at);
    },
    stalled: ({ call, attempt, silentMs, usualMs, at }) => {
      const attributes = { 'rxfleet.stall.silence': silentMs / 1_000, 'rxfleet.stall.usual_gap': usualMs / 1_000 };
      this.recorded(call)?.attemptEvent(attempt, 'rxfleet.stalled', attributes, at);
    },
    limited: ({ call, by, result, waitedMs, at }) => {
      const attributes = { 'rxfleet.limiter.name': by, 'rxfleet.limiter.result': result };
      this.recorded(call)?.event('rxfleet.limited', { ...attributes, 'rxfleet.limiter.wait': waitedMs / 1_000 }, at);
    },
    callEnded: (event) => this.callEnded(event),
  };
  private readonly calls = new Map<CallInfo, CallSpan>();
  private readonly inferences = new Map<object, RunningInference>();
  private readonly methods: MethodTable<SpanMethod>;
  private readonly ports: CallSpanPorts;
  private readonly nodes: () => NodeSet;
  private readonly decisionsUpTo: number;

  constructor(tracer: Tracer, options: ResolvedOpenTelemetryOptions, nodes: () => NodeSet) {
    const { propagator, target, maxMethods, decisionsUpTo, messageEvents, scheduler } = options;
    const timeOf = scheduler === asyncScheduler ? () => undefined : hrTime;
    this.ports = { tracer, traceContext: traceContext(propagator), messageEvents, timeOf, now: () => scheduler.now() };
    this.methods = new MethodTable(maxMethods, (name) => spanMethod(name, target));
    this.nodes = nodes;
    this.decisionsUpTo = decisionsUpTo;
  }

  ended(closed: boolean): void {
    for (const span of this.calls.values()) span.abandoned(closed);
    this.calls.clear();
    this.inferences.clear();
  }

  private callStarted({ call, at }: CallStarted): void {
    const { ports, inferences } = this;
    const { partOf, metadata } = call.options;
    const inference = partOf && inferences.get(partOf);
    const ambient = inference?.context ?? otelApi.context.active();
    const parent = ports.traceContext.within(ambient, metadata);
    const span = new CallSpan(ports, this.methods.of(call.name), parent, at, this.nodes().size > 0);
    if (!span.matters) return;
    this.calls.set(call, span);
    if (inference === undefined || !span.recording) return;
    inference.call = span;
    span.set(genAiAttributesOf(partOf as InferenceInfo));
  }

  private callEnded(event: CallEnded): void {
    const span = this.calls.get(event.call);
    if (span === undefined) return;
    this.calls.delete(event.call);
    span.ended(event);
  }

  private decided(event: DecisionMade): void {
    if (this.nodes().size > this.decisionsUpTo || this.decisionsUpTo === 0) return;
    this.recorded(event.call)?.decided(event);
  }

  private inferenceAnswered({ inference, answer }: InferenceAnswered): void {
    this.inferences.get(inference)?.call?.set(genAiAttributesOfAnswer(inference, answer));
  }

  private recorded(call: CallInfo): CallSpan | undefined {
    const span = this.calls.get(call);
    return span?.recording ? span : undefined;
  }
}

/** A number would be taken for a reading of `performance.now()` where it is small. */
function hrTime(at: number): HrTime {
  return [Math.trunc(at / 1_000), Math.round((at % 1_000) * 1e6)];
}
