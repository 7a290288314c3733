/** How the context of a trace comes with a call, and goes out with its attempts. */

import type { Context, TextMapGetter, TextMapPropagator, TextMapSetter } from '@opentelemetry/api';
import { formatTraceparent, parseTraceparent } from '../../call/traceparent.js';
import { metadataText, type Metadata, type MetadataValue } from '../../core/metadata.js';
import { otelApi } from './otelApi.js';

const { createTraceState, isSpanContextValid, propagation, trace } = otelApi;

type AddHeader = (name: string, value: MetadataValue) => void;

export interface TraceContext {
  /** The context that headers bring, within another; that other where they bring none. */
  within(ambient: Context, headers: Metadata | undefined): Context;
  send(context: Context, addHeader: AddHeader): void;
}

/** @param propagator Undefined: the global one; while none is set up, that of W3C. False: none. */
export function traceContext(propagator: TextMapPropagator | false | undefined): TraceContext {
  const current = (): TextMapPropagator =>
    propagator || (propagation.fields().length > 0 ? (propagation as unknown as TextMapPropagator) : w3c);
  if (propagator === false) return { within: (ambient) => ambient, send: () => undefined };
  return {
    within: (ambient, headers) => (headers === undefined ? ambient : current().extract(ambient, headers, getter)),
    send: (context, addHeader) => current().inject(context, addHeader, setter),
  };
}

/** As gRFC A72 has it, what is binary is base64 to a propagator. */
const isBinary = (name: string) => name.endsWith('-bin');

const setter: TextMapSetter<AddHeader> = {
  set(addHeader, key, value) {
    const name = key.toLowerCase();
    addHeader(name, isBinary(name) ? Buffer.from(value, 'base64') : value);
  },
};

const getter: TextMapGetter<Metadata> = {
  keys: (headers) => Object.keys(headers),
  get(headers, key) {
    const name = key.toLowerCase();
    const value = headers[name];
    return value instanceof Uint8Array ? Buffer.from(value).toString('base64') : metadataText(headers, name);
  },
};

/** W3C Trace Context, which the API has no propagator for: https://www.w3.org/TR/trace-context/. */
const w3c: TextMapPropagator = {
  fields: () => ['traceparent', 'tracestate'],
  inject(context, carrier, { set }) {
    const span = trace.getSpanContext(context);
    if (span === undefined || !isSpanContextValid(span)) return;
    const { traceId, spanId, traceFlags, traceState } = span;
    set(carrier, 'traceparent', formatTraceparent({ traceId, spanId, sampled: (traceFlags & 1) === 1 }));
    const state = traceState?.serialize();
    if (state) set(carrier, 'tracestate', state);
  },
  extract(context, carrier, { get }) {
    const told = get(carrier, 'traceparent');
    const parent = typeof told === 'string' ? parseTraceparent(told) : undefined;
    if (parent === undefined) return context;
    const { traceId, spanId, sampled } = parent;
    const state = get(carrier, 'tracestate');
    const traceState = typeof state === 'string' ? createTraceState(state) : undefined;
    return trace.setSpanContext(context, { traceId, spanId, traceFlags: sampled ? 1 : 0, traceState, isRemote: true });
  },
};
