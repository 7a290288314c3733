/** An xDS control plane for tests, over a real socket: both protocols, versions, nonces, and who accepted what. */

import { create } from '@bufbuild/protobuf';
import type { Any } from '@bufbuild/protobuf/wkt';
import { methodOf } from '../../src/core/method.js';
import {
  AggregatedDiscoveryService,
  DeltaDiscoveryResponseSchema,
  DiscoveryResponseSchema,
  type DeltaDiscoveryRequest,
  type DeltaDiscoveryResponse,
  type DiscoveryRequest,
  type DiscoveryResponse,
} from '../../src/gen/envoy/discovery_pb.js';
import { openGrpcServer, serve, type GrpcServer } from '../../src/testing/grpcServer.js';
import type { ServerCall } from '../../src/testing/serverCall.js';

export type XdsType = 'lds' | 'rds' | 'cds' | 'eds';

const typeUrls: Readonly<Record<XdsType, string>> = {
  lds: 'type.googleapis.com/envoy.config.listener.v3.Listener',
  rds: 'type.googleapis.com/envoy.config.route.v3.RouteConfiguration',
  cds: 'type.googleapis.com/envoy.config.cluster.v3.Cluster',
  eds: 'type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment',
};
const typeOf = (typeUrl: string): XdsType =>
  (Object.keys(typeUrls) as XdsType[]).find((type) => typeUrls[type] === typeUrl)!;

/** One request, as the server read it. */
export interface XdsRequest {
  readonly type: XdsType;
  readonly form: 'world' | 'increments';
  /** `ask` has no nonce: it is the first of its type, or in the incremental form a change of what is wanted. */
  readonly kind: 'ask' | 'ack' | 'nack' | 'stale';
  readonly names: readonly string[];
  readonly version: string;
  readonly error: string;
  /** Who asks; only the first request of a stream says so. */
  readonly node: string | undefined;
  /** Counts the streams. */
  readonly stream: number;
  readonly versions: Readonly<Record<string, string>>;
}

export interface XdsControlPlane {
  readonly address: string;
  readonly port: number;
  readonly connections: number;
  /** Streams that are open now. */
  readonly streams: number;
  /** Streams that were ever opened. */
  readonly opened: number;
  readonly requests: XdsRequest[];
  /** Resources of these types, the same until changed; the streams are told once, when all are in. */
  put(...changes: readonly (readonly [type: XdsType, name: string, resource: Any | undefined])[]): void;
  /** Takes everything away without telling anybody, and forgets the requests. */
  clear(): void;
  /** Answers are held back while true, by type. */
  readonly mute: Set<XdsType>;
  /** Ends every stream as `UNAVAILABLE`; the connections stay. */
  breakStreams(): Promise<void>;
  /** Each new stream is ended like this, before it is read. */
  refuse: 'UNAVAILABLE' | 'PERMISSION_DENIED' | undefined;
  /** Dies: every connection ends, and nothing listens any more. */
  kill(): void;
  /** Listens again on the same port. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

interface Held {
  readonly resource: Any;
  readonly version: number;
}

/** What a stream has of one type. */
interface Subscribed {
  names: Set<string>;
  nonce: string;
  /** World: the version that was sent. Increments: those of each resource. */
  sent: number;
  readonly versions: Map<string, string>;
}

interface Stream {
  readonly number: number;
  readonly types: Map<XdsType, Subscribed>;
  push(type: XdsType): void;
  flushed(): Promise<void>;
  end(): void;
}

export async function startXdsControlPlane(options: { readonly incremental?: boolean } = {}): Promise<XdsControlPlane> {
  const { incremental = true } = options;
  const world: Record<XdsType, Map<string, Held>> = { lds: new Map(), rds: new Map(), cds: new Map(), eds: new Map() };
  const versions: Record<XdsType, number> = { lds: 1, rds: 1, cds: 1, eds: 1 };
  const streams = new Set<Stream>();
  const requests: XdsRequest[] = [];
  const mute = new Set<XdsType>();
  let opened = 0;
  let nonces = 0;
  let refuse: XdsControlPlane['refuse'];

  const run = async <I, O>(
    call: ServerCall<I, O>,
    open: (number: number) => Stream,
    take: (stream: Stream, request: I) => void,
  ) => {
    const stream = open(++opened);
    if (refuse) return call.end(refuse, 'told to refuse');
    streams.add(stream);
    try {
      for await (const request of call.requests) take(stream, request);
    } finally {
      streams.delete(stream);
    }
  };
  const subscribed = (stream: Stream, type: XdsType): Subscribed => {
    let held = stream.types.get(type);
    if (!held) stream.types.set(type, (held = { names: new Set(), nonce: '', sent: 0, versions: new Map() }));
    return held;
  };
  const note = (
    stream: Stream,
    form: XdsRequest['form'],
    request: { typeUrl: string; responseNonce: string; errorDetail?: { message: string }; node?: { id: string } },
    more: Pick<XdsRequest, 'names' | 'version' | 'versions'>,
  ): XdsRequest => {
    const type = typeOf(request.typeUrl);
    const { nonce } = subscribed(stream, type);
    const current = request.responseNonce === nonce;
    const kind: XdsRequest['kind'] =
      request.responseNonce === '' ? 'ask' : !current ? 'stale' : request.errorDetail ? 'nack' : 'ack';
    const noted: XdsRequest = {
      ...{ type, form, kind, stream: stream.number, node: request.node?.id },
      ...{ error: request.errorDetail?.message ?? '', ...more },
    };
    requests.push(noted);
    return noted;
  };

  const whole = (call: ServerCall<DiscoveryRequest, DiscoveryResponse>) =>
    run(
      call,
      (number) => {
        const stream: Stream = {
          ...{ number, types: new Map() },
          push(type) {
            const held = stream.types.get(type);
            if (!held || held.names.size === 0 || mute.has(type)) return;
            const resources = [...held.names].flatMap((name) => world[type].get(name)?.resource ?? []);
            held.sent = versions[type];
            held.nonce = String(++nonces);
            const response = { typeUrl: typeUrls[type], versionInfo: String(held.sent), nonce: held.nonce, resources };
            void call.send(create(DiscoveryResponseSchema, response));
          },
          flushed: () => call.flushed(),
          end: () => call.end('UNAVAILABLE', 'the stream was broken'),
        };
        return stream;
      },
      (stream, request) => {
        const { resourceNames: names, versionInfo: version } = request;
        const { type, kind } = note(stream, 'world', request, { names, version, versions: {} });
        if (kind === 'stale') return;
        const held = subscribed(stream, type);
        const more = names.some((name) => !held.names.has(name));
        held.names = new Set(names);
        if (more || held.sent === 0 || held.sent !== versions[type]) stream.push(type);
      },
    );

  const changes = (call: ServerCall<DeltaDiscoveryRequest, DeltaDiscoveryResponse>) => {
    if (!incremental) return call.end('UNIMPLEMENTED', 'no increments here');
    return run(
      call,
      (number) => {
        const stream: Stream = {
          ...{ number, types: new Map() },
          push(type) {
            const held = stream.types.get(type);
            if (!held || mute.has(type)) return;
            const changed = [...held.names].flatMap((name) => {
              const now = world[type].get(name);
              if (!now || held.versions.get(name) === String(now.version)) return [];
              return [{ name, version: String(now.version), resource: now.resource }];
            });
            const removedResources = [...held.names].filter(
              (name) => !world[type].has(name) && held.versions.get(name) !== 'none',
            );
            if (changed.length + removedResources.length === 0 && held.sent > 0) return;
            held.sent++;
            held.nonce = String(++nonces);
            for (const { name, version } of changed) held.versions.set(name, version);
            for (const name of removedResources) held.versions.set(name, 'none');
            const response = {
              ...{ typeUrl: typeUrls[type], systemVersionInfo: String(versions[type]), nonce: held.nonce },
              ...{ resources: changed, removedResources },
            };
            void call.send(create(DeltaDiscoveryResponseSchema, response));
          },
          flushed: () => call.flushed(),
          end: () => call.end('UNAVAILABLE', 'the stream was broken'),
        };
        return stream;
      },
      (stream, request) => {
        const { resourceNamesSubscribe: names, initialResourceVersions } = request;
        const { type } = note(stream, 'increments', request, {
          ...{ names, version: '', versions: initialResourceVersions },
        });
        const held = subscribed(stream, type);
        for (const name of names) held.names.add(name);
        for (const name of request.resourceNamesUnsubscribe) {
          held.names.delete(name);
          held.versions.delete(name);
        }
        for (const [name, version] of Object.entries(initialResourceVersions)) held.versions.set(name, version);
        if (names.length > 0) stream.push(type);
      },
    );
  };

  const { streamAggregatedResources, deltaAggregatedResources } = AggregatedDiscoveryService.method;
  const listen = (port: number): Promise<GrpcServer> =>
    openGrpcServer({
      port,
      methods: [serve(methodOf(streamAggregatedResources), whole), serve(methodOf(deltaAggregatedResources), changes)],
    });
  let server = await listen(0);
  const { port } = server;

  return {
    ...{ port, address: `127.0.0.1:${port}`, requests, mute },
    get connections() {
      return server.connections;
    },
    get streams() {
      return streams.size;
    },
    get opened() {
      return opened;
    },
    get refuse() {
      return refuse;
    },
    set refuse(code) {
      refuse = code;
    },
    put(...given) {
      const touched = new Set<XdsType>();
      for (const [type, name, resource] of given) {
        touched.add(type);
        if (resource) world[type].set(name, { resource, version: versions[type] + 1 });
        else world[type].delete(name);
      }
      for (const type of touched) versions[type]++;
      for (const stream of streams) for (const type of touched) stream.push(type);
    },
    clear() {
      for (const type of Object.keys(world) as XdsType[]) {
        world[type].clear();
        versions[type]++;
      }
      requests.length = 0;
      mute.clear();
      refuse = undefined;
    },
    async breakStreams() {
      // What was written goes first: a server of grpc-js loses the status of a stream that fails while it writes.
      await Promise.all([...streams].map((stream) => stream.flushed()));
      for (const stream of streams) stream.end();
      streams.clear();
    },
    kill() {
      server.kill();
      streams.clear();
    },
    async restart() {
      server.kill();
      server = await listen(port);
    },
    close: () => server.close(100),
  };
}
