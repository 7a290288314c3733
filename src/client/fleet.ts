/** A fleet of gRPC nodes: found, dialled, watched, balanced, and called. */

import type { Transport as ConnectTransport } from '@connectrpc/connect';
import type { Observable } from 'rxjs';
import type { AttemptContext, StartAttempt } from '../call/call.js';
import { observedStart } from '../call/observedStart.js';
import { continuationOf } from '../call/resume.js';
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
import type { Selection, SelectOptions } from './select.js';

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
   * A node of the balancer's choice and the channel to it, at once, for work that is no call of this fleet. It counts as in
   * use until its `report()`.
   *
   * @throws FleetError when nobody can be selected now, with the reasons.
   */
  select(options?: SelectOptions): Selection<Channel>;
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
  const engine = createEngine<Channel, Channel>(options, {
    open: (node) => transport.open(node),
    resourceOf: (channel) => channel,
    health,
    ...(loadReports ? { loadReports } : { loadOf: loadReportOf }),
  });
  const fleet: Fleet = {
    ...liveNodesOf(engine),
    channel: (id) => engine.connection(id),
    select: (selecting) => engine.select(selecting),
    call: (spec) => engine.call(engineCall(spec)),
    transport: () => asConnectTransport(fleet),
  };
  return fleet;
}

function engineCall<I, O, R, Q>(spec: CallSpec<I, O, R, Q>): EngineCall<Channel, R> {
  const { method, resume } = spec;
  const { kind, idempotency } = method;
  const attempts = resume ? undefined : { start: startOf(spec, undefined as Q) };
  return {
    name: method.path,
    options: spec,
    single: spec.single ?? (kind === 'unary' || kind === 'clientStreaming'),
    idempotent: spec.idempotent ?? idempotency !== 'unknown',
    begin: attempts ? () => attempts : () => resumable(spec, resume!),
  };
}

/** A call that goes on after a break: what it asks for changes with what was answered. */
function resumable<I, O, R, Q>(spec: CallSpec<I, O, R, Q>, resume: NonNullable<CallSpec<I, O, R, Q>['resume']>) {
  const continuation = continuationOf(resume.strategy, resume.request, (error, continuity) =>
    spec.onResumed?.({ error, continuity }),
  );
  const start: StartAttempt<Channel, R> = (channel, attempt, sink) =>
    startOf(spec, continuation.request)(channel, attempt, sink);
  return { start, continuation };
}

function startOf<I, O, R, Q>(spec: CallSpec<I, O, R, Q>, rest: Q): StartAttempt<Channel, R> {
  const { method, request, answers, onHeaders, onTrailers } = spec;
  // The answers of the wire as they come.
  if (!answers) {
    return (channel, attempt, sink) => {
      const { node, options, deadline, demand, watcher } = attempt;
      const { maxRequestBytes: maxSendBytes, maxResponseBytes: maxReceiveBytes } = options;
      const metadata = metadataOf(attempt);
      const context = { deadline, metadata, maxSendBytes, maxReceiveBytes, demand, watcher, onHeaders, onTrailers };
      return startRpc(channel, method, request(node, rest), context, sink as never);
    };
  }
  // What the spec makes of them; the trailers still tell how the attempt ended.
  return (channel, attempt, sink) => {
    const { node, options, deadline, demand, watcher } = attempt;
    const { maxRequestBytes: maxSendBytes, maxResponseBytes: maxReceiveBytes } = options;
    const onStatus = sink.status && ((status: CallStatus) => sink.status!(status));
    const metadata = metadataOf(attempt);
    const sizes = { maxSendBytes, maxReceiveBytes };
    const context = { deadline, metadata, ...sizes, demand, watcher, onHeaders, onTrailers, onStatus };
    const answered = () => answers(rpc(channel, method, request(node, rest), context), node);
    return observedStart<Channel, R>(answered)(channel, attempt, sink);
  };
}

/** gRFC A6: a node learns how often the call was tried before. */
function metadataOf({ metadata, previous }: AttemptContext): Metadata | undefined {
  return previous === 0 ? metadata : { ...metadata, 'grpc-previous-rpc-attempts': String(previous) };
}
