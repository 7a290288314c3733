/** A fleet of gRPC nodes: found, dialled, watched, balanced, and called. */

import type { Transport as ConnectTransport } from '@connectrpc/connect';
import type { Observable } from 'rxjs';
import type { AttemptContext, StartAttempt } from '../call/call.js';
import { observedStart } from '../call/observedStart.js';
import type { CallStatus, Channel, Transport } from '../core/channel.js';
import type { LoadReport } from '../core/loadReport.js';
import type { Metadata } from '../core/metadata.js';
import { rpc, startRpc } from '../core/rpc.js';
import type { HealthTarget, NodeHealth } from '../health/healthCheck.js';
import { loadReportOf } from '../health/loadReportOf.js';
import { asConnectTransport } from './asConnectTransport.js';
import type { Caller, CallSpec } from './callSpec.js';
import { createEngine, liveNodesOf } from './engine.js';
import type { EngineCall, EngineOptions, LiveNodes } from './engineOptions.js';

export interface FleetOptions extends EngineOptions<Channel> {
  /** How to reach the nodes: `grpcTransport()`, `connectTransport()`. */
  readonly transport: Transport;
  /** Health checks, such as `activeHealth(grpcHealth())`. Default: none, a node that is connected counts as healthy. */
  readonly health?: (target: HealthTarget) => Observable<NodeHealth>;
  /**
   * What nodes report of their load beside the calls: `outOfBandLoad()`. The reports in trailers are not read then, so
   * that the two do not mix (gRFC A58). Default: those in trailers, of nodes that send them (gRFC A51). Read by
   * `weightedRoundRobin({ loadReports: true })`, and to be seen in `node.stats.report`.
   */
  readonly loadReports?: (target: HealthTarget) => Observable<LoadReport>;
}

export interface Fleet extends LiveNodes, Caller {
  /** The open channel to a node, if there is one. */
  channel(id: string): Channel | undefined;
  /**
   * The fleet as a transport of @connectrpc/connect, so that any client generated for it gets discovery, balancing
   * and failover: `createConnectClient(Greeter, fleet.transport())`.
   */
  transport(): ConnectTransport;
}

/**
 * Starts to find and dial nodes, until `close()`.
 *
 * ```ts
 * const fleet = createFleet({
 *   service: 'lumen',
 *   discovery: mergeDiscovery(mdns(), staticNodes(['10.0.0.5:50051'])),
 *   transport: grpcTransport(),
 *   balancer: leastLoaded(),
 * });
 * ```
 *
 * @throws FleetError `INVALID_OPTION`, naming the option.
 */
export function createFleet(options: FleetOptions): Fleet {
  const { transport, health, loadReports } = options;
  const engine = createEngine<Channel>(options, {
    open: (node) => transport.open(node),
    health,
    ...(loadReports ? { loadReports } : { loadOf: loadReportOf }),
  });
  const fleet: Fleet = {
    ...liveNodesOf(engine),
    channel: (id) => engine.connection(id),
    call: (spec) => engine.call(engineCall(spec)),
    transport: () => asConnectTransport(fleet),
  };
  return fleet;
}

function engineCall<I, O, R>(spec: CallSpec<I, O, R>): EngineCall<Channel, R> {
  const { method, answers } = spec;
  const { kind, idempotency } = method;
  const start = (answers ? answersStart(spec, answers) : rpcStart(spec)) as StartAttempt<Channel, R>;
  const attempts = { start };
  return {
    name: method.path,
    options: spec,
    single: spec.single ?? (kind === 'unary' || kind === 'clientStreaming'),
    idempotent: spec.idempotent ?? idempotency !== 'unknown',
    begin: () => attempts,
  };
}

/** The answers of the wire as they come. */
function rpcStart<I, O, R>({ method, request, onHeaders, onTrailers }: CallSpec<I, O, R>): StartAttempt<Channel, O> {
  return (channel, attempt, sink) => {
    const { node, deadline, demand } = attempt;
    const context = { deadline, metadata: metadataOf(attempt), demand, onHeaders, onTrailers };
    return startRpc(channel, method, request(node), context, sink);
  };
}

/** What the spec makes of them; the trailers still tell how the attempt ended. */
function answersStart<I, O, R>(
  { method, request, onHeaders, onTrailers }: CallSpec<I, O, R>,
  answers: NonNullable<CallSpec<I, O, R>['answers']>,
): StartAttempt<Channel, R> {
  return (channel, attempt, sink) => {
    const { node, deadline, demand } = attempt;
    const onStatus = sink.status && ((status: CallStatus) => sink.status!(status));
    const context = { deadline, metadata: metadataOf(attempt), demand, onHeaders, onTrailers, onStatus };
    return observedStart<Channel, R>(() => answers(rpc(channel, method, request(node), context), node))(
      channel,
      attempt,
      sink,
    );
  };
}

/** gRFC A6: a node learns how often the call was tried before. */
function metadataOf({ metadata, previous }: AttemptContext): Metadata | undefined {
  return previous === 0 ? metadata : { ...metadata, 'grpc-previous-rpc-attempts': String(previous) };
}
