/** Why a connection ended, from a real peer that ends it in each way to the events and metrics of gRFC A94. */

import { once } from 'node:events';
import * as http2 from 'node:http2';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { Subject } from 'rxjs';
import { createFleet, type Fleet, type FleetOptions } from '../../src/client/fleet.js';
import { createNode } from '../../src/core/node.js';
import { NodeSet } from '../../src/core/nodeSet.js';
import { openTelemetry } from '../../src/metrics/otel.js';
import { prometheusMetrics } from '../../src/metrics/prometheus.js';
import { connectTransport } from '../../src/transport/connect.js';
import { grpcTransport } from '../../src/transport/grpc.js';
import { collected } from '../metrics/otel/collected.js';
import { valueOf } from '../metrics/prometheus/scriptedFleet.js';
import { until } from '../support/until.js';

const { NGHTTP2_NO_ERROR, NGHTTP2_ENHANCE_YOUR_CALM } = http2.constants;

/** A frame of HTTP/2. */
const emptySettings = Buffer.from('000000040000000000', 'hex');

interface Peer {
  readonly address: string;
  /** The last connection. */
  readonly session: http2.ServerHttp2Session;
  readonly socket: Socket;
  close(): void;
}

async function startPeer(): Promise<Peer> {
  const server = http2.createServer();
  const sessions: http2.ServerHttp2Session[] = [];
  const sockets: Socket[] = [];
  server.on('connection', (socket: Socket) => sockets.push(socket));
  server.on('session', (session) => sessions.push(session));
  server.on('sessionError', () => undefined);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    get session() {
      return sessions.at(-1)!;
    },
    get socket() {
      return sockets.at(-1)!;
    },
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

let peer: Peer;
let fleet: Fleet | undefined;
let ends: (string | undefined)[] = [];
const nodes$ = new Subject<NodeSet>();

beforeEach(async () => void (peer = await startPeer()));
afterEach(async () => {
  await fleet?.close({ drainMs: 0 });
  peer.close();
});

async function connected(options: Partial<FleetOptions> = {}, address = peer.address): Promise<Fleet> {
  ends = [];
  fleet = createFleet({
    ...{ service: 'demo', discovery: () => nodes$, transport: connectTransport() },
    ...options,
  });
  fleet.events$.subscribe((event) => {
    if (event.type === 'connectionChanged' && event.from === 'READY') ends.push(event.disconnectError);
  });
  nodes$.next(NodeSet.of([createNode({ id: 'a', address })]));
  await until('it is connected', () => fleet!.nodes$.value.get('a')?.availability === 'ready');
  return fleet;
}
const ended = () => until('it has ended', () => ends.length > 0);

describe('over connectTransport', () => {
  it('what the node says when it goes is told by its name, and what the socket says later is not', async () => {
    await connected();
    peer.session.goaway(NGHTTP2_ENHANCE_YOUR_CALM);
    await ended();
    peer.socket.resetAndDestroy();
    expect(ends).toEqual(['GOAWAY ENHANCE_YOUR_CALM']);
  });

  it('a node that goes in peace says so', async () => {
    await connected();
    peer.session.goaway(NGHTTP2_NO_ERROR);
    await ended();
    expect(ends).toEqual(['GOAWAY NO_ERROR']);
  });

  it('a reset is one', async () => {
    await connected();
    // Once both sides are through with their SETTINGS: Node does not tell of a reset amid them.
    await new Promise<void>((done) => peer.session.ping(() => done()));
    peer.socket.resetAndDestroy();
    await ended();
    expect(ends).toEqual(['connection reset']);
  });

  it('a node that answers no ping has timed out', async () => {
    // It says its SETTINGS, and not another word.
    const silent = createServer((socket) => socket.on('error', () => undefined).write(emptySettings)).listen(0);
    await once(silent, 'listening');
    const address = `127.0.0.1:${(silent.address() as AddressInfo).port}`;
    await connected(
      { transport: connectTransport({ keepaliveMs: 50, keepaliveTimeoutMs: 50, keepaliveWithoutCalls: true }) },
      address,
    );
    await ended();
    expect(ends[0]).toBe('connection timed out');
    await fleet!.close({ drainMs: 0 });
    silent.close();
  });
});

describe.each([
  ['connectTransport', connectTransport],
  ['grpcTransport', grpcTransport],
])('over %s', (_name, transport) => {
  it('what ends from this side is a shutdown: no longer listed, moved, idle', async () => {
    const { nodes$: known } = await connected({ transport: transport() });
    nodes$.next(NodeSet.empty);
    await until('it is gone', () => known.value.size === 0);
    expect(ends).toEqual(['subchannel shutdown']);

    await fleet!.close();
    await connected({ transport: transport() });
    const other = await startPeer();
    try {
      nodes$.next(NodeSet.of([createNode({ id: 'a', address: other.address })]));
      await ended();
      expect(ends).toEqual(['subchannel shutdown']);
    } finally {
      other.close();
    }

    await fleet!.close();
    await connected({ transport: transport(), connections: { idleMs: 50 } });
    await ended();
    expect(ends).toEqual(['subchannel shutdown']);
  });
});

it('over grpcTransport, where nobody knows, it says so', async () => {
  await connected({ transport: grpcTransport() });
  peer.socket.resetAndDestroy();
  await ended();
  expect(ends).toEqual(['unknown']);
});

it('disconnections are told apart by their reasons for who asks, and in one for all others', async () => {
  const watched = await connected();
  const [asked, plain] = [collected(), collected()];
  const tracerProvider = false;
  const enableMetrics = ['grpc.subchannel.*', 'grpc.lb.pick_first.*'];
  const optionalAttributes = ['grpc.disconnect_error'] as const;
  openTelemetry(watched, { meterProvider: asked.meterProvider, tracerProvider, enableMetrics, optionalAttributes });
  openTelemetry(watched, { meterProvider: plain.meterProvider, tracerProvider, enableMetrics });
  const { registry } = prometheusMetrics(watched, { optionalLabels: ['grpc.disconnect_error'] });
  peer.session.goaway(NGHTTP2_NO_ERROR);
  await ended();
  await until('it is connected again', () => watched.nodes$.value.get('a')?.availability === 'ready');
  await watched.close({ drainMs: 0 });
  for (const reason of ['GOAWAY NO_ERROR', 'subchannel shutdown']) {
    const attributes = { 'grpc.target': 'demo', 'grpc.disconnect_error': reason };
    expect(await asked.value('grpc.subchannel.disconnections', attributes)).toBe(1);
    const labels = { grpc_target: 'demo', grpc_disconnect_error: reason };
    expect(await valueOf(registry, 'grpc_subchannel_disconnections_total', labels)).toBe(1);
  }
  expect(await plain.value('grpc.subchannel.disconnections')).toBe(2);
  expect((await plain.metrics()).get('grpc.subchannel.disconnections')!.dataPoints).toHaveLength(1);
  expect((await asked.metrics()).get('grpc.lb.pick_first.disconnections')!.dataPoints).toHaveLength(1);
  expect(await asked.value('grpc.subchannel.open_connections')).toBe(0);
});
