/** What is used of @opentelemetry/api: the one file that loads it. */

import {
  context,
  createNoopMeter,
  createTraceState,
  diag,
  isSpanContextValid,
  metrics,
  propagation,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  ValueType,
} from '@opentelemetry/api';

export const otelApi = {
  context,
  createNoopMeter,
  createTraceState,
  diag,
  isSpanContextValid,
  metrics,
  propagation,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  ValueType,
};
