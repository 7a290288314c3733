/**
 * What happens in a client, as metrics and spans of OpenTelemetry.
 *
 * Node has none of the metrics that every other gRPC has (gRFC A66), and an instrumentation of grpc-js from outside sees
 * single attempts and no calls: not which of them belong together, nor why each went where it went. Here `events$` is
 * read, which says both. It steers nothing, but for one thing: with each attempt goes the context of its span. Do not
 * take it where nothing collects it, since a span costs more than all else that a call costs beside the wire; with an
 * instrumentation of grpc-js beside it each attempt has two spans.
 */

import { Subscription } from 'rxjs';
import { NodeSet } from '../../core/nodeSet.js';
import { CallRecorder } from '../callRecorder.js';
import { ConnectionRecorder } from '../connectionRecorder.js';
import { EjectionRecorder } from '../ejectionRecorder.js';
import { FleetRecorder } from '../fleetRecorder.js';
import { followNodes } from '../followNodes.js';
import { connectionMetrics, grpcMetrics } from '../grpcMetrics.js';
import { LoadWeightRecorder } from '../loadWeightRecorder.js';
import { metricsOf } from '../metric.js';
import { NodeAttributes } from '../nodeAttributes.js';
import { dispatch, type Recorder } from '../recorder.js';
import { XdsRecorder } from '../xdsRecorder.js';
import { clientMetrics } from './clientMetrics.js';
import { genAiMetrics } from './genAiMetrics.js';
import { GenAiRecorder } from './genAiRecorder.js';
import { Instruments } from './instruments.js';
import {
  resolveOpenTelemetryOptions,
  type OpenTelemetryOptions,
  type ResolvedOpenTelemetryOptions,
} from './openTelemetryOptions.js';
import { otelApi } from './otelApi.js';
import { pickFirstMetrics } from './pickFirstMetrics.js';
import { SpanRecorder } from './spanRecorder.js';
import type { Watched, WatchedEvent } from './watched.js';

/** The name of the instrumentation scope. */
const scope = 'rxfleet';

/**
 * Tells OpenTelemetry of all that happens in a fleet, a pool or a Lumen client, until it is unsubscribed or the client
 * closes. Give it a Lumen client rather than its `fleet`, which knows nothing of inferences.
 *
 * ```ts
 * const telemetry = openTelemetry(fleet);                                 // the providers that the process has set up
 * openTelemetry(lumen, { meterProvider, tracerProvider: false, enableMetrics: ['grpc.*'] });
 * ```
 *
 * ### Metrics
 *
 * | metric | from | kind | attributes | by default |
 * |---|---|---|---|---|
 * | `grpc.client.attempt.started` | A66 | counter | M | on |
 * | `grpc.client.attempt.duration`, `….sent_total_compressed_message_size`, `….rcvd_total_compressed_message_size` | A66 | histogram | M S | on |
 * | `grpc.client.call.duration` | A66 | histogram | M S | on |
 * | `grpc.client.call.retries`, `….transparent_retries`, `….hedges`, `….retry_delay` | A96 | histogram | M | off |
 * | `grpc.subchannel.disconnections`, `….connection_attempts_succeeded`, `….connection_attempts_failed` | A94 | counter | | off |
 * | `grpc.subchannel.open_connections` | A94 | up-down counter | | off |
 * | `grpc.lb.outlier_detection.ejections_enforced`, `….ejections_unenforced` | A91 | counter | D | off |
 * | `grpc.lb.wrr.rr_fallback`, `….endpoint_weight_not_yet_usable`, `….endpoint_weight_stale` | A78 | counter | | off |
 * | `grpc.lb.wrr.endpoint_weights` | A78 | histogram | | off |
 * | `grpc.lb.pick_first.disconnections`, `….connection_attempts_succeeded`, `….connection_attempts_failed` | A78 | counter | | off |
 * | `grpc.xds_client.connected` | A78 | gauge | X | off |
 * | `grpc.xds_client.server_failure`, `….resource_updates_valid`, `….resource_updates_invalid` | A78 | counter | X | off |
 * | `grpc.xds_client.resources` | A78 | gauge | R | off |
 * | `gen_ai.client.operation.duration`, `….time_to_first_chunk`, `….time_per_output_chunk`, `gen_ai.client.token.usage` | GenAI 1.41 | histogram | G | on |
 * | `rxfleet.client.…` | what gRPC has no names for | | | on |
 *
 * All but those of GenAI have `grpc.target`. M: `grpc.method`, as `demo.Greeter/SayHello`; S: `grpc.status`; D:
 * `grpc.lb.outlier_detection.detection_method`, and `….unenforced_reason` for the second; G: `gen_ai.operation.name`,
 * `gen_ai.provider.name`, and `gen_ai.request.model`, `gen_ai.response.model`, `error.type`, `gen_ai.token.type` where
 * they are known. What the gRFCs call experimental is off, as they ask. Every method is known by its descriptor or named
 * by its caller, so none is `other` (A66: methods that are not registered) but those past `maxMethods`. Buckets go as
 * advice, which views may overrule. X: `grpc.xds.server`, and `grpc.xds.resource_type` for the updates; R:
 * `grpc.xds.authority`, `grpc.xds.cache_state`, `grpc.xds.resource_type`. The metrics of `wrr` are those of
 * `weightedRoundRobin` by load reports; those of `pick_first` count with every balancer, as in gRPC since A61, what A94 counts
 * by newer names. Sizes are before compression; over connect-node they are measured by encoding once more. With the optional
 * attribute `grpc.disconnect_error` disconnections say why, in the words of A94: over grpc-js, which does not tell, whether it
 * was this side, or `unknown`.
 *
 * Under `rxfleet.client.`: `nodes` by `rxfleet.node.state`, `call.active`, `call.time_to_first_message`, `call.errors`
 * by `error.type` (our codes), `call.failovers`, `call.retry_refusals`, `call.resumes`, `call.stalls`,
 * `limiter.calls` and `limiter.wait_duration`, `breakers` and `breaker.transitions` by `rxfleet.breaker.state`, `panic`,
 * `discovery.staleness`, `discovery.events`.
 *
 * Once the client has closed, or telemetry was unsubscribed, what is looked up (as `nodes`) is said to be 0 at the next
 * collection and not looked up again; what was counted stays.
 *
 * ### Spans (gRFC A72)
 *
 * `Sent.demo.Greeter.SayHello` for each call and `Attempt.demo.Greeter.SayHello` for each of its attempts, as its child,
 * with `previous-rpc-attempts` and `transparent-retry`; status and events by A72, those of messages called and sized as in
 * gRPC for C++ and Go (`Outbound message`, `Inbound message`, before compression). The attributes are those of the RPC
 * conventions, version 1.45.0: `rpc.system.name`, `rpc.method`, `rpc.status_code`, `error.type`, and
 * `server.address`, which is the service for a call, the node for an attempt. Beyond that: `rxfleet.decision` with the
 * account of the pick, `rxfleet.retry`, `rxfleet.retry_refused`, `rxfleet.resumed`, `rxfleet.stalled`, `rxfleet.limited`
 * as events, and `gen_ai.…` on the calls of inferences. Both are of the kind client: the server's span is the child of
 * the attempt, and backends draw their maps by that.
 *
 * The parent is what the call's own header `traceparent` says, else the span that is active where the call is subscribed
 * to (an inference: where that is). With each attempt goes the context of its span, by the propagator. `trace()` in `use`
 * may stand beside it: it sends the same context, and tells its trace to logs and in its other headers. A call that is
 * not sampled passes the context on and makes nothing else.
 *
 * What a listener of the SDK throws goes to `diag`, and no call fails by it.
 *
 * @throws FleetError `INVALID_OPTION`, naming the option.
 */
export function openTelemetry(client: Watched, options: OpenTelemetryOptions = {}): Subscription {
  const resolved = resolveOpenTelemetryOptions(options, client.service);
  const life = new Subscription();
  let nodes = NodeSet.empty;
  const metrics = metricRecorders(client, resolved, () => nodes, life);
  const spans = spanRecorders(resolved, () => nodes);
  const recorders = [...metrics, ...spans];
  if (recorders.length === 0) {
    life.unsubscribe();
    return life;
  }
  const end = (closed: boolean) => {
    for (const recorder of recorders.splice(0)) safely(() => recorder.ended?.(closed))(undefined);
  };
  const follow = safely(followNodes(recorders, (set) => (nodes = set)));
  const [measure, trace] = [safely(dispatch(metrics)), safely(dispatch(spans))];
  life.add(() => end(false));
  let over = false;
  // A discovery that can never work is news for those who call; the last nodes stay as they are.
  life.add(client.nodes$.subscribe({ next: follow, error: () => undefined, complete: () => (over = true) }));
  // It had closed before, and has no events any more, not even that.
  if (over) life.unsubscribe();
  life.add(
    client.events$.subscribe({
      next(event) {
        measure(event);
        trace(event);
      },
      complete() {
        end(true);
        life.unsubscribe();
      },
    }),
  );
  return life;
}

function metricRecorders(
  client: Watched,
  options: ResolvedOpenTelemetryOptions,
  nodes: () => NodeSet,
  life: Subscription,
): Recorder<WatchedEvent>[] {
  const { meterProvider, target, wanted, nodeAttributes, serverAddress, disconnectErrors, maxMethods, scheduler } =
    options;
  if (meterProvider === false) return [];
  const meter = meterProvider.getMeter(scope);
  // No provider has been set up.
  if (meter === otelApi.createNoopMeter()) return [];
  const instruments = new Instruments(meter, { 'grpc.target': target }, wanted);
  life.add(() => instruments.close());
  const grpc = metricsOf(grpcMetrics(), (spec) => instruments.metric(spec));
  const pickFirst = metricsOf(pickFirstMetrics, (spec) => instruments.metric(spec));
  const ours = metricsOf(clientMetrics, (spec) => instruments.metric(spec));
  const genAi = metricsOf(genAiMetrics, (spec) => instruments.metric(spec));
  const shown = new NodeAttributes(nodeAttributes);
  const nodeOf = (id: string) => nodes().get(id);
  const inFlight = Object.fromEntries(
    Object.entries(client.snapshot().methods).map(([name, figures]) => [name, figures.inFlight]),
  );
  return [
    new CallRecorder(grpc, shown, maxMethods),
    new ConnectionRecorder(connectionMetrics(grpc), { nodeAttributes: shown, nodeOf, disconnectErrors }),
    new ConnectionRecorder(pickFirst, { nodeAttributes: new NodeAttributes([]), nodeOf, disconnectErrors: false }),
    new EjectionRecorder(grpc, shown),
    new LoadWeightRecorder(grpc, shown),
    new XdsRecorder(grpc),
    new FleetRecorder(ours, { nodes, now: () => scheduler.now(), inFlight }, maxMethods),
    new GenAiRecorder(genAi, serverAddress ? nodes : undefined),
  ];
}

function spanRecorders(options: ResolvedOpenTelemetryOptions, nodes: () => NodeSet): Recorder<WatchedEvent>[] {
  const { tracerProvider } = options;
  return tracerProvider === false ? [] : [new SpanRecorder(tracerProvider.getTracer(scope), options, nodes)];
}

/** What is thrown here would be thrown out of a call, or end the process. */
function safely<T>(run: (value: T) => void): (value: T) => void {
  return (value) => {
    try {
      run(value);
    } catch (error) {
      otelApi.diag.error('rxfleet: telemetry was lost', error);
    }
  };
}
