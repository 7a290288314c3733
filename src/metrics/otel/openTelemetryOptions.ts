/** What `openTelemetry` may be told, and what it takes for granted. */

import type { MeterProvider, TextMapPropagator, TracerProvider } from '@opentelemetry/api';
import { asyncScheduler, type SchedulerLike } from 'rxjs';
import { requireOption } from '../../core/requireOption.js';
import type { NodeAttribute } from '../nodeAttributes.js';
import { otelApi } from './otelApi.js';
import { wantedMetrics } from './wantedMetrics.js';

/** What metrics may tell of the node, by which nodes have series of their own then; and why a connection ended. */
export type OptionalAttribute =
  'grpc.lb.locality' | 'grpc.lb.backend_service' | 'grpc.disconnect_error' | 'rxfleet.node.id' | 'server.address';

const nodeAttributeOf: Readonly<Record<OptionalAttribute, NodeAttribute | undefined>> = {
  'grpc.lb.locality': 'locality',
  'grpc.lb.backend_service': 'backendService',
  'rxfleet.node.id': 'node',
  // Of disconnections.
  'grpc.disconnect_error': undefined,
  // Of the metrics of GenAI.
  'server.address': undefined,
};

/** See `openTelemetry`. */
export interface OpenTelemetryOptions {
  /**
   * Where metrics go. Default: what is set as the global one when `openTelemetry` is called, so set that up first (gRFC A66
   * asks for a provider of its own, since there the plugin is global, too). `false`: no metrics.
   */
  readonly meterProvider?: MeterProvider | false;
  /** Where spans go. Default: the global one, which may be set up later. `false`: no spans, and no context is sent. */
  readonly tracerProvider?: TracerProvider | false;
  /**
   * How the context of a trace goes with each attempt, and comes with a call. Default: the global one; while none is set
   * up, `traceparent` and `tracestate` of W3C Trace Context. `false`: no context is sent.
   */
  readonly propagator?: TextMapPropagator | false;
  /** What `grpc.target` says, by which several clients are told apart (gRFC A66). Default: the service of the client. */
  readonly target?: string;
  /** Metrics that are off by default, by their names or with `*` at the end: `['grpc.subchannel.*']`. Default none. */
  readonly enableMetrics?: readonly string[];
  /** Metrics to leave out, in the same way; counts for more than `enableMetrics`. Default none. */
  readonly disableMetrics?: readonly string[];
  /** What attempts, connections and inferences tell of their node and their end. Default nothing: it multiplies series. */
  readonly optionalAttributes?: readonly OptionalAttribute[];
  /** Methods that have series, and span names, of their own; the rest share the name `other`. Default 1,000. */
  readonly maxMethods?: number;
  /**
   * In fleets of up to so many nodes the span of an attempt says who could have taken it and who was left out, as the event
   * `rxfleet.decision`. That account looks at each node. Default 100; 0 for never.
   */
  readonly decisionsUpTo?: number;
  /** Messages of an attempt that its span has as events `Outbound message` and `Inbound message`: the first so many. Default 32. */
  readonly messageEvents?: number;
  /** Under one of virtual time, spans have its times, not those of their provider. Default `asyncScheduler`. */
  readonly scheduler?: SchedulerLike;
}

export interface ResolvedOpenTelemetryOptions {
  readonly meterProvider: MeterProvider | false;
  readonly tracerProvider: TracerProvider | false;
  readonly propagator: TextMapPropagator | false | undefined;
  readonly target: string;
  readonly wanted: (metric: string) => boolean;
  readonly nodeAttributes: readonly NodeAttribute[];
  readonly disconnectErrors: boolean;
  readonly serverAddress: boolean;
  readonly maxMethods: number;
  readonly decisionsUpTo: number;
  readonly messageEvents: number;
  readonly scheduler: SchedulerLike;
}

/** @throws FleetError `INVALID_OPTION`, naming the option. */
export function resolveOpenTelemetryOptions(
  options: OpenTelemetryOptions,
  service: string,
): ResolvedOpenTelemetryOptions {
  const {
    meterProvider = otelApi.metrics.getMeterProvider(),
    tracerProvider = otelApi.trace.getTracerProvider(),
    propagator,
    target = service,
    enableMetrics = [],
    disableMetrics = [],
    optionalAttributes = [],
    maxMethods = 1_000,
    decisionsUpTo = 100,
    messageEvents = 32,
    scheduler = asyncScheduler,
  } = options;
  const has = (it: unknown, method: string) => typeof (it as Record<string, unknown> | null)?.[method] === 'function';
  const metered = meterProvider === false || has(meterProvider, 'getMeter');
  const traced = tracerProvider === false || has(tracerProvider, 'getTracer');
  const propagates = propagator === undefined || propagator === false || has(propagator, 'inject');
  requireOption(metered, 'meterProvider', 'a MeterProvider or false', meterProvider);
  requireOption(traced, 'tracerProvider', 'a TracerProvider or false', tracerProvider);
  requireOption(propagates, 'propagator', 'a TextMapPropagator or false', propagator);
  requireOption(typeof target === 'string', 'target', 'a text', target);
  for (const attribute of optionalAttributes) {
    const some = `some of ${Object.keys(nodeAttributeOf).join(', ')}`;
    requireOption(Object.hasOwn(nodeAttributeOf, attribute), 'optionalAttributes', some, attribute);
  }
  requireOption(Number.isInteger(maxMethods) && maxMethods >= 1, 'maxMethods', 'a whole number from 1', maxMethods);
  requireOption(decisionsUpTo >= 0, 'decisionsUpTo', 'a number from 0', decisionsUpTo);
  requireOption(messageEvents >= 0, 'messageEvents', 'a number from 0', messageEvents);
  return {
    ...{ meterProvider, tracerProvider, propagator, target, maxMethods, decisionsUpTo, messageEvents, scheduler },
    wanted: wantedMetrics(enableMetrics, disableMetrics),
    nodeAttributes: optionalAttributes.flatMap((attribute) => nodeAttributeOf[attribute] ?? []),
    disconnectErrors: optionalAttributes.includes('grpc.disconnect_error'),
    serverAddress: optionalAttributes.includes('server.address'),
  };
}
