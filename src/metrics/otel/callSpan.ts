/** One call as spans: its own, and those of its attempts as children (gRFC A72). */

import type { Attributes, Context, HrTime, Span, Tracer } from '@opentelemetry/api';
import type { AttemptEnded, AttemptStarted, CallEnded, DecisionMade } from '../../call/callEvent.js';
import type { MessageWatcher } from '../../core/channel.js';
import { grpcStatusOf, type FleetErrorCode } from '../../core/errorCodes.js';
import { statusOf } from '../statusOf.js';
import { decisionAttributes } from './decisionAttributes.js';
import { otelApi } from './otelApi.js';
import type { SpanMethod } from './spanMethod.js';
import type { TraceContext } from './traceContext.js';

const { SpanKind, SpanStatusCode, trace } = otelApi;

/** What the spans of a client have in common. */
export interface CallSpanPorts {
  readonly tracer: Tracer;
  readonly traceContext: TraceContext;
  /** Messages that an attempt has as events, each way. */
  readonly messageEvents: number;
  /** The time to give to a span; undefined where its provider knows better. */
  readonly timeOf: (at: number) => HrTime | undefined;
  readonly now: () => number;
}

export class CallSpan {
  /** False for one that only passes its context on. */
  readonly recording: boolean;
  private readonly span: Span;
  private readonly context: Context;
  private readonly method: SpanMethod;
  private readonly ports: CallSpanPorts;
  /** Those that run, by their number. */
  private readonly attempts = new Map<number, Span>();
  private begun = 0;
  /** The id of the node that spoke last, of those that were not outrun. */
  private node: string | undefined;
  /** Of the attempt that is about to begin. */
  private decision: Attributes | undefined;
  /** False while its nodes are still being looked for. */
  private resolved: boolean;

  /** @param resolved False: no node is known when it begins. */
  constructor(ports: CallSpanPorts, method: SpanMethod, parent: Context, at: number, resolved: boolean) {
    const { tracer, timeOf } = ports;
    const { sent, ofCall } = method;
    const init = { kind: SpanKind.CLIENT, attributes: ofCall, startTime: timeOf(at) };
    this.span = tracer.startSpan(sent, init, parent);
    this.context = trace.setSpan(parent, this.span);
    this.recording = this.span.isRecording();
    this.method = method;
    this.ports = ports;
    this.resolved = resolved;
  }

  /** False where there is neither a span nor a context to pass on, as without an SDK. */
  get matters(): boolean {
    return this.recording || otelApi.isSpanContextValid(this.span.spanContext());
  }

  /** Of what happens between attempts. */
  event(name: string, attributes: Attributes, at: number): void {
    this.span.addEvent(name, attributes, this.ports.timeOf(at));
  }

  /** What is known of it later. */
  set(attributes: Attributes): void {
    this.span.setAttributes(attributes);
  }

  decided(event: DecisionMade): void {
    const attributes = decisionAttributes(event);
    if (event.chosen === undefined) this.event('rxfleet.decision', attributes, event.at);
    else this.decision = attributes;
  }

  attemptStarted(event: AttemptStarted): void {
    const { at, attempt, waitedMs, addHeader } = event;
    const { ports, context, method, recording } = this;
    this.begun++;
    if (!recording) {
      ports.traceContext.send(context, addHeader);
      return;
    }
    const time = ports.timeOf(at);
    if (waitedMs > 0 && !this.resolved) this.event('Delayed name resolution complete', {}, at);
    this.resolved = true;
    const init = { kind: SpanKind.CLIENT, attributes: method.ofAttempt(event), startTime: time };
    const span = ports.tracer.startSpan(method.attempt, init, context);
    this.attempts.set(attempt, span);
    ports.traceContext.send(trace.setSpan(context, span), addHeader);
    if (!span.isRecording()) return;
    if (waitedMs > 0) span.addEvent('Delayed LB pick complete', undefined, time);
    if (this.decision !== undefined) span.addEvent('rxfleet.decision', this.decision, time);
    this.decision = undefined;
    if (ports.messageEvents > 0) event.watchMessages(this.messagesOf(span));
  }

  /** Of what happens to one attempt. */
  attemptEvent(attempt: number, name: string, attributes: Attributes, at: number): void {
    this.attempts.get(attempt)?.addEvent(name, attributes, this.ports.timeOf(at));
  }

  attemptEnded(event: AttemptEnded): void {
    const { attempt, node, outcome, outrun, message, messages, at } = event;
    if (!outrun) this.node = node.id;
    const span = this.attempts.get(attempt);
    if (span === undefined) return;
    this.attempts.delete(attempt);
    const status = statusOf(outcome);
    span.setAttribute('rxfleet.attempt.messages', messages);
    if (outrun) span.setAttribute('rxfleet.attempt.outrun', true);
    const text = outrun ? 'another attempt was first' : message;
    this.end(span, status, status === 'OK' ? undefined : (outcome.code ?? status), text, at);
  }

  ended({ code, error, messages, at }: CallEnded): void {
    const { span, begun, node, recording } = this;
    if (!recording) return span.end();
    this.endAttempts(at);
    span.setAttribute('rxfleet.call.attempts', begun);
    span.setAttribute('rxfleet.call.messages', messages);
    if (node !== undefined) span.setAttribute('rxfleet.node.id', node);
    this.end(span, grpcStatusOf(code), code === 'OK' ? undefined : code, error?.detail ?? '', at);
  }

  /** Whoever told of it tells no more: because the client has closed, or because nobody listens. */
  abandoned(closed: boolean): void {
    const at = this.ports.now();
    const { span, attempts } = this;
    if (closed) {
      const spans = [...attempts.values(), span];
      for (const each of spans) this.end(each, 'CANCELLED', 'CLOSED', 'the client was closed', at);
      attempts.clear();
      return;
    }
    this.endAttempts(at);
    this.event('rxfleet.unwatched', {}, at);
    span.end(this.ports.timeOf(at));
  }

  private endAttempts(at: number): void {
    for (const span of this.attempts.values()) span.end(this.ports.timeOf(at));
    this.attempts.clear();
  }

  private end(span: Span, status: string, code: FleetErrorCode | undefined, text: string, at: number): void {
    span.setAttribute('rpc.status_code', status);
    if (code === undefined) span.setStatus({ code: SpanStatusCode.OK });
    else {
      span.setAttribute('error.type', code);
      span.setStatus({ code: SpanStatusCode.ERROR, message: text ? `${status}, ${text}` : status });
    }
    span.end(this.ports.timeOf(at));
  }

  private messagesOf(span: Span): MessageWatcher {
    const { messageEvents, timeOf, now } = this.ports;
    const counting = (name: string) => {
      let seen = 0;
      return (bytes: number) => {
        if (seen >= messageEvents) return;
        span.addEvent(name, { 'sequence-number': seen++, 'message-size': bytes }, timeOf(now()));
      };
    };
    return { sent: counting('Outbound message'), received: counting('Inbound message') };
  }
}
