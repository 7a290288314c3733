/**
 * Carries the context of a trace from whoever calls us to whomever we call.
 *
 * With it the logs of all nodes that one request went through can be found by one id, with no tracing system at all. It makes no
 * spans: with OpenTelemetry take `openTelemetry()` of `rxfleet/metrics/otel`, which sends the context itself. Where both are
 * there, `openTelemetry()` says whose child each attempt is, and this tells its trace to the logs and in the other headers.
 */

import { metadataText, type Metadata } from '../core/metadata.js';
import { requireOption } from '../core/requireOption.js';
import type { CallInfo } from './call.js';
import type { BeginningAttempt, Policy } from './policy.js';
import { formatTraceparent, newSpanId, newTraceId, parseTraceparent, uuidOf, type TraceParent } from './traceparent.js';

export interface TraceOptions {
  /**
   * The `traceparent` of what is being done now, such as that of the request that is being served, where a call does not bring
   * it as a header of its own. Default: none, so each call begins a trace.
   */
  readonly current?: () => string | undefined;
  /** The share of the traces begun here that say that they are recorded, from 0 to 1. Default 1. */
  readonly sampleRatio?: number;
  /**
   * Further headers that get an id when a call does not bring them. Default: none. `['x-trace-id', 'x-request-id']` is what
   * flare's interceptor does.
   */
  readonly ids?: readonly TraceIdHeader[];
}

/** `x-trace-id` gets the id of the trace as a UUID, as clientPool and flare write it; any other a UUID of its own. */
export type TraceIdHeader = string;

/**
 * Sends `traceparent` with each attempt: the trace of the call, and an id of the attempt's own, so that retries and hedges
 * are told apart. A call continues the trace of its own header `traceparent`, else that of `current()`; `tracestate` passes as
 * it is. What is no valid `traceparent` begins a new trace, as W3C asks.
 *
 * ```ts
 * createFleet({ …, use: [trace({ ids: ['x-trace-id', 'x-request-id'] })] });
 * greeter.sayHello(request, { metadata: { traceparent: incoming.headers.traceparent } });
 * ```
 *
 * `traceIdOf(call)` of a middleware, a log or an event is the id.
 *
 * @throws FleetError `INVALID_OPTION` for a ratio outside 0 to 1, or a header that is no name in lower case.
 */
export function trace(options: TraceOptions = {}): Policy {
  const { current, sampleRatio = 1, ids = [] } = options;
  requireOption(sampleRatio >= 0 && sampleRatio <= 1, 'trace.sampleRatio', 'from 0 to 1', sampleRatio);
  for (const id of ids) requireOption(/^[a-z0-9_.-]+$/.test(id), 'trace.ids', 'headers in lower case', id);

  return {
    name: 'trace',
    start: ({ random }) => ({
      begin(attempt) {
        const { call } = attempt;
        const given = call.metadata;
        const told = toldBy(attempt);
        const known = told ?? (given && metadataText(given, 'traceparent')) ?? current?.();
        let parent = known === undefined ? undefined : parseTraceparent(known);
        if (parent === undefined) {
          const sampled = sampleRatio === 1 || random() < sampleRatio;
          parent = { traceId: newTraceId(random), spanId: newSpanId(random), sampled };
        }
        if (attempt.number === 1) call.metadata = { ...given, ...started(parent, given, ids, random) };
        const traceparent = told ?? formatTraceparent({ ...parent, spanId: newSpanId(random) });
        attempt.metadata = { ...call.metadata, ...attempt.metadata, traceparent };
      },
      close: () => undefined,
    }),
  };
}

/** What somebody who listens, such as OpenTelemetry, has said of whose child the attempt is: then it is so. */
function toldBy({ metadata, call }: BeginningAttempt): string | undefined {
  if (metadata === undefined || metadata === call.metadata) return undefined;
  const told = metadataText(metadata, 'traceparent');
  if (told === undefined || told === call.metadata?.traceparent) return undefined;
  return parseTraceparent(told) && told;
}

/** What the call bears from now on. */
function started(
  parent: TraceParent,
  given: Metadata | undefined,
  ids: readonly string[],
  random: () => number,
): Metadata {
  const headers: Record<string, string> = { traceparent: formatTraceparent(parent) };
  for (const id of ids) {
    if (given && id in given) continue;
    headers[id] = uuidOf(id === 'x-trace-id' ? parent.traceId : newTraceId(random));
  }
  return headers;
}

/** The id of the trace of a call: 32 hexadecimal digits; undefined where it bears none. */
export function traceIdOf({ metadata }: Pick<CallInfo, 'metadata'>): string | undefined {
  const text = metadata && metadataText(metadata, 'traceparent');
  return text === undefined ? undefined : parseTraceparent(text)?.traceId;
}
