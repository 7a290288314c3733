/** A cluster without a server: what each call is answered with is drawn. */

import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { resolveConnection, type EtcdConnectionOptions } from '../../../src/discovery/etcd/connectionOptions.js';
import { EtcdClient } from '../../../src/discovery/etcd/etcdClient.js';
import { bytesOf } from '../../../src/discovery/etcd/keyRange.js';
import { Event_EventType } from '../../../src/gen/etcd/kv_pb.js';
import {
  AuthenticateResponseSchema,
  LeaseKeepAliveResponseSchema,
  RangeResponseSchema,
  ResponseHeaderSchema,
  WatchResponseSchema,
} from '../../../src/gen/etcd/rpc_pb.js';
import type { MarbleHelpers } from '../../../src/testing/marble.js';
import { fakeChannel, type FakeCall, type WireEvent } from '../../../test/core/fakeChannel.js';

/** Diagrams for the calls of each method, in the order of the calls; a method that is not drawn never answers. */
export type Script = Readonly<Record<string, readonly string[]>>;

export interface FakeEtcd {
  readonly client: EtcdClient;
  /** Each call as `method at host:port`, in order. */
  readonly log: string[];
  readonly calls: FakeCall[];
  /** When each answer was listened to, in the order of the calls. */
  readonly wires: ReturnType<MarbleHelpers['cold']>[];
}

export function fakeEtcd(
  helpers: MarbleHelpers,
  script: Script,
  events: Readonly<Record<string, WireEvent>>,
  options: EtcdConnectionOptions = {},
): FakeEtcd {
  const left = new Map(Object.entries(script).map(([method, diagrams]) => [method, [...diagrams]]));
  const log: string[] = [];
  const calls: FakeCall[] = [];
  const wires: FakeEtcd['wires'] = [];
  const connection = resolveConnection({
    endpoints: ['a:1', 'b:2'],
    requestTimeoutMs: 20,
    ...options,
    transport: {
      name: 'fake',
      open: ({ id }) =>
        fakeChannel((call) => {
          const method = call.method.path.slice(call.method.path.lastIndexOf('/') + 1);
          log.push(`${method} at ${id}`);
          calls.push(call);
          const wire$ = helpers.cold<WireEvent>(left.get(method)?.shift() ?? '-', events);
          wires.push(wire$ as never);
          return wire$;
        }),
    },
  });
  return { client: new EtcdClient(connection, { scheduler: helpers.scheduler, random: () => 0 }), log, calls, wires };
}

export const unavailable: WireEvent = { end: { code: 'UNAVAILABLE', message: 'gone', sent: true } };
export const ok: WireEvent = { end: {} };
export const failed = (
  code: 'OUT_OF_RANGE' | 'UNAUTHENTICATED' | 'FAILED_PRECONDITION',
  message: string,
): WireEvent => ({
  end: { code, message },
});

const header = (revision: number) => create(ResponseHeaderSchema, { revision: BigInt(revision) });
const kvOf = (key: string, value: string, revision: number) => ({
  ...{ key: bytesOf(key), value: bytesOf(value), modRevision: BigInt(revision) },
});

/** An answer to Range at a revision: keys with their values and revisions. */
export function page(revision: number, entries: Record<string, [string, number]>, more = false): WireEvent {
  const kvs = Object.entries(entries).map(([key, [value, at]]) => kvOf(key, value, at));
  return { message: create(RangeResponseSchema, { header: header(revision), kvs, more }) };
}

export function watched(init: MessageInitShape<typeof WatchResponseSchema>, revision: number): WireEvent {
  return { message: create(WatchResponseSchema, { watchId: 1n, header: header(revision), ...init }) };
}

/** The watch stands. */
export const created = (revision: number, watchId = 1n) => watched({ created: true, watchId }, revision);

/** Puts, and deletions where the value is undefined, at one revision. */
export function changed(
  revision: number,
  changes: Record<string, string | undefined>,
  init: MessageInitShape<typeof WatchResponseSchema> = {},
): WireEvent {
  const events = Object.entries(changes).map(([key, value]) => ({
    type: value === undefined ? Event_EventType.DELETE : Event_EventType.PUT,
    kv: kvOf(key, value ?? '', revision),
  }));
  return watched({ events, ...init }, revision);
}

/** The revision that a watch has to start after is compacted. */
export const compacted = watched({ canceled: true, compactRevision: 9n }, 9);

export const token = (text: string): WireEvent => ({ message: create(AuthenticateResponseSchema, { token: text }) });

export const alive = (id: number, seconds: number): WireEvent => ({
  message: create(LeaseKeepAliveResponseSchema, { ID: BigInt(id), TTL: BigInt(seconds) }),
});
