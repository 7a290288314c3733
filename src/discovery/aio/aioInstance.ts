/** What AIO says of services and their instances, as plain values: JSON parsed, times in milliseconds, both layouts read. */

import type { MessageShape } from '@bufbuild/protobuf';
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import { InstanceSchema, type Service, type ServiceWithInstances } from '../../gen/aio/registry_pb.js';

type InstanceMessage = MessageShape<typeof InstanceSchema>;

/** The networks that an AIO instance can be reached by. */
export type AioNetwork = 'local' | 'internal' | 'external' | 'tailscale';

/** One of the hosts of an instance. */
export interface AioEndpoint {
  /** A host name or address; may carry a port, which then stands for this host alone. */
  readonly host: string;
  /** One of `AioNetwork`, or whatever the registrant wrote. */
  readonly network: string;
  /** The lower first. */
  readonly priority: number;
}

/** One instance of a service, as AIO lists it. */
export interface AioInstance {
  /** The number of its row, as text: it may be past what a number holds exactly. */
  readonly id: string;
  readonly serviceId: string;
  /** The key under which it beats and is withdrawn. */
  readonly key: string;
  readonly env: string;
  readonly host: string;
  /** `host:port` or a URL, as the registrant wrote it; may be empty. */
  readonly endpoint: string;
  /** Every host of it; empty on servers up to 1.0.5. */
  readonly endpoints: readonly AioEndpoint[];
  /** 0 when it does not say. */
  readonly httpPort: number;
  /** 0 when it does not say. */
  readonly grpcPort: number;
  /** `meta_json`, parsed; empty when it is no JSON object. */
  readonly meta: Readonly<Record<string, unknown>>;
  readonly ttlMs: number;
  /** Milliseconds since the epoch by the clock of the server, as all times here. 0: never, or put offline by hand. */
  readonly lastHeartbeatAt: number;
  readonly createdAt: number;
  readonly updatedAt: number;
  /** What could not be read, in words. */
  readonly flaws: readonly string[];
}

/** One service, with its instances that are online. */
export interface AioService {
  /** The number of its row, as text. */
  readonly id: string;
  readonly project: string;
  readonly name: string;
  readonly owner: string;
  readonly description: string;
  /** `spec_json`, parsed; the text itself when it is no JSON; undefined when there is none. */
  readonly spec: unknown;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly instances: readonly AioInstance[];
}

/** A service as it came over the wire; its instances by their keys, since the server gives them in no order. */
export function aioService({ service, instances }: ServiceWithInstances): AioService {
  return {
    ...serviceFacts(service),
    instances: instances.map(aioInstance).sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0)),
  };
}

/** A service of which the instances were not asked for. */
export function serviceFacts(service: Service | undefined): AioService {
  return {
    id: String(service?.id ?? 0n),
    project: service?.project ?? '',
    name: service?.name ?? '',
    owner: service?.owner ?? '',
    description: service?.description ?? '',
    spec: specOf(service?.specJson ?? ''),
    createdAt: Number(service?.createdAt ?? 0n) * 1_000,
    updatedAt: Number(service?.updatedAt ?? 0n) * 1_000,
    instances: [],
  };
}

/** An instance as it came over the wire, in either layout. */
export function aioInstance(message: InstanceMessage): AioInstance {
  const flaws: string[] = [];
  const eleven = fieldEleven(message, flaws);
  return {
    id: String(message.id),
    serviceId: String(message.serviceId),
    key: message.instanceKey,
    env: message.env,
    host: message.host,
    endpoint: message.endpoint,
    endpoints: endpointsOf(eleven.endpointsJson, flaws),
    httpPort: Number(message.httpPort),
    grpcPort: Number(message.grpcPort),
    meta: metaOf(message.metaJson, flaws),
    ttlMs: Number(message.ttlSeconds) * 1_000,
    lastHeartbeatAt: Number(message.lastHeartbeatAt) * 1_000,
    createdAt: Number(message.createdAt) * 1_000,
    updatedAt: Number(message.updatedAt || eleven.updatedAt) * 1_000,
    flaws,
  };
}

/** `updated_at` of servers up to 1.0.5 is a varint, `endpoints_json` of those since has a length: the wire tells. */
function fieldEleven(message: InstanceMessage, flaws: string[]): { endpointsJson: string; updatedAt: bigint } {
  let endpointsJson = '';
  let updatedAt = 0n;
  for (const { no, wireType, data } of message.$unknown ?? []) {
    if (no !== 11) continue;
    try {
      const reader = new BinaryReader(data);
      if (wireType === WireType.LengthDelimited) endpointsJson = reader.string();
      else if (wireType === WireType.Varint) updatedAt = BigInt(reader.int64());
    } catch {
      flaws.push('field 11 cannot be read');
    }
  }
  return { endpointsJson, updatedAt };
}

function metaOf(json: string, flaws: string[]): Readonly<Record<string, unknown>> {
  if (json.trim() === '') return {};
  const meta = parsed(json);
  if (isObject(meta)) return meta;
  if (meta !== null) flaws.push('meta_json is no JSON object');
  return {};
}

function endpointsOf(json: string, flaws: string[]): readonly AioEndpoint[] {
  if (json.trim() === '') return [];
  const list = parsed(json);
  if (list === null) return [];
  if (!Array.isArray(list)) {
    flaws.push('endpoints_json is no JSON array');
    return [];
  }
  return list.flatMap((entry: unknown) => {
    const { host, network, priority } = isObject(entry) ? entry : {};
    if (typeof host !== 'string' || host === '') {
      flaws.push('an entry of endpoints_json has no host');
      return [];
    }
    return [{ host, network: typeof network === 'string' ? network : '', priority: Number(priority) || 0 }];
  });
}

function specOf(json: string): unknown {
  if (json.trim() === '') return undefined;
  const spec = parsed(json);
  return spec === undefined ? json : spec;
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json) as unknown;
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
