/** A fleet of gRPC nodes: found, dialled, watched, balanced, and called. */

import type { Transport as ConnectTransport } from '@connectrpc/connect';
import type { Observable } from 'rxjs';
import type { AttemptContext } from '../call/call.js';
import type { Channel, Transport } from '../core/channel.js';
import { rpc } from '../core/rpc.js';
import type { HealthTarget, NodeHealth } from '../health/healthCheck.js';
import { asConnectTransport } from './asConnectTransport.js';
import type { Caller, CallSpec } from './callSpec.js';
import { createEngine, type EngineCall, type EngineOptions, type LiveNodes } from './engine.js';

export interface FleetOptions extends EngineOptions<Channel> {
  /** How to reach the nodes: `grpcTransport()`, `connectTransport()`. */
  readonly transport: Transport;
  /** Health checks, such as `activeHealth(grpcHealth())`. Default: none, a node that is connected counts as healthy. */
  readonly health?: (target: HealthTarget) => Observable<NodeHealth>;
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
  const { transport, health } = options;
  const engine = createEngine<Channel>(options, (node) => transport.open(node), health);
  const fleet: Fleet = {
    nodes$: engine.nodes$,
    changes$: engine.changes$,
    outcomes$: engine.outcomes$,
    node$: (id) => engine.node$(id),
    annotate: (id, state) => engine.annotate(id, state),
    channel: (id) => engine.connection(id),
    call: (spec) => engine.call(engineCall(spec)),
    transport: () => asConnectTransport(fleet),
    close: (closeOptions) => engine.close(closeOptions),
    [Symbol.asyncDispose]: () => engine.close(),
  };
  return fleet;
}

function engineCall<I, O, R>(spec: CallSpec<I, O, R>): EngineCall<Channel, R> {
  const { method, request, answers, onHeaders, onTrailers } = spec;
  const { kind, idempotency } = method;
  return {
    name: method.path,
    options: spec,
    single: spec.single ?? (kind === 'unary' || kind === 'clientStreaming'),
    idempotent: spec.idempotent ?? idempotency !== 'unknown',
    run: (channel: Channel, { node, deadline, metadata, demand }: AttemptContext) => {
      const context = { deadline, metadata, demand, onHeaders, onTrailers };
      const answers$ = rpc(channel, method, request(node), context);
      return (answers ? answers(answers$, node) : answers$) as Observable<R>;
    },
  };
}
