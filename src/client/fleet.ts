/** A fleet of gRPC nodes: found, dialled, watched, balanced, and called. */

import type { Transport as ConnectTransport } from '@connectrpc/connect';
import type { Observable, ObservableInput } from 'rxjs';
import type { AttemptContext, CallOptions } from '../call/call.js';
import type { Channel, Transport } from '../core/channel.js';
import type { Metadata } from '../core/metadata.js';
import type { Method } from '../core/method.js';
import type { Node } from '../core/node.js';
import { rpc } from '../core/rpc.js';
import type { HealthTarget, NodeHealth } from '../health/healthCheck.js';
import { asConnectTransport } from './asConnectTransport.js';
import { createEngine, type EngineCall, type EngineOptions, type LiveNodes } from './engine.js';

export interface FleetOptions extends EngineOptions<Channel> {
  /** How to reach the nodes: `grpcTransport()`, `connectTransport()`. */
  readonly transport: Transport;
  /** Health checks, such as `activeHealth(grpcHealth())`. Default: none, a node that is connected counts as healthy. */
  readonly health?: (target: HealthTarget) => Observable<NodeHealth>;
}

/** Options of one gRPC call. */
export interface RpcOptions extends CallOptions {
  /** Told of the headers of each attempt that got any. */
  readonly onHeaders?: (headers: Metadata) => void;
  /** Told of the trailers of each attempt that got any. */
  readonly onTrailers?: (trailers: Metadata) => void;
}

/** A gRPC call through the whole pipeline. */
export interface CallSpec<I, O, R = O> extends RpcOptions {
  readonly method: Method<I, O>;
  /** The message, or the stream of messages; built anew for each attempt, for the node that was picked. */
  readonly request: (node: Node) => I | ObservableInput<I>;
  /**
   * Applied to the answers of each attempt, inside retry and failover: as long as it has emitted nothing, another
   * node can still take over.
   */
  readonly answers?: (answers$: Observable<O>, node: Node) => Observable<R>;
  /** Safe to run twice? Default: what the proto says (`idempotency_level`). */
  readonly idempotent?: boolean;
  /** Exactly one answer, whose arrival means success? Default: by the kind of the method. */
  readonly single?: boolean;
}

export interface Fleet extends LiveNodes {
  /**
   * Calls a method on a node of the balancer's choice. Cold: each subscription is a call of its own; unsubscribing
   * cancels it on the wire. Errors with a `FleetError`.
   */
  call<I, O, R = O>(spec: CallSpec<I, O, R>): Observable<R>;
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
