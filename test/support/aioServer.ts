/**
 * An AIO server for tests: its registry and its tokens over a real socket, written from the facts of the contract
 * alone, traps included. What it keeps is apart from it, so that it can be killed and come back with the same, or other, contents.
 */

import { create } from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { setTimeout as sleep } from 'node:timers/promises';
import type { StatusName } from '../../src/core/errorCodes.js';
import { FleetError } from '../../src/core/fleetError.js';
import { methodOf, type Method } from '../../src/core/method.js';
import {
  InstanceSchema,
  RegistryService,
  ServiceWithInstancesSchema,
  type Instance,
  type ServiceWithInstances,
} from '../../src/gen/aio/registry_pb.js';
import { ClientAuthService } from '../../src/gen/aio/user_pb.js';
import { openGrpcServer, serve, type ServedMethod } from '../../src/testing/grpcServer.js';
import type { ServerCall } from '../../src/testing/serverCall.js';
import { signJwt, verifyJwt, type Claims } from './aioServer/jwt.js';
import { AioTables, type InstanceRow, type ServiceRow } from './aioServer/tables.js';

export { AioTables } from './aioServer/tables.js';

export interface AioClientRow {
  readonly key: string;
  secret: string;
  disabled?: boolean;
}

export interface AioServerOptions {
  readonly port?: number;
  readonly tables?: AioTables;
  /** Default: one, `client` with the secret `s3cret-of-client`. */
  readonly clients?: AioClientRow[];
  /** Field 11 of an instance: `old` is `updated_at` as up to 1.0.5, `new` is `endpoints_json`. Default `new`. */
  readonly layout?: 'old' | 'new';
  /** Life of a token, in milliseconds. Default 24 h. */
  readonly tokenLifeMs?: number;
  readonly jwtSecret?: string;
}

/** What goes wrong; by method name such as `ListServices`. */
export interface AioFaults {
  /** Ends calls of these methods so. */
  readonly fail?: Readonly<Record<string, StatusName>>;
  /** Calls, and beats, of these methods are taken and never answered. */
  readonly hang?: readonly string[];
  /** Every heartbeat is answered with 0, as when the database is away. */
  readonly zeroBeats?: boolean;
  readonly delayMs?: number;
  /** Deregistering is answered with success = false. */
  readonly refuseDeregister?: boolean;
  /** Failures repeat, in their message, what the client sent: secrets and tokens. */
  readonly leaky?: boolean;
  /** The next creation of a service hits the unique index. */
  readonly collideOnce?: boolean;
}

export interface AioServer {
  readonly address: string;
  readonly port: number;
  readonly tables: AioTables;
  /** Calls that arrived, by method name. */
  readonly calls: Readonly<Record<string, number>>;
  /** Every beat that arrived, in order. */
  readonly beats: readonly { readonly key: string; readonly at: number }[];
  /** Heartbeat streams that are open, and were opened. */
  readonly streams: { readonly open: number; readonly opened: number };
  readonly connections: number;
  readonly clients: AioClientRow[];
  tokenLifeMs: number;
  jwtSecret: string;
  faults(faults: AioFaults): void;
  /** Dies: every connection is cut. */
  kill(): void;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export const clientKey = 'client';
export const clientSecret = 's3cret-of-client';

const unchecked = new Set(['AuthenticateClient']);

export async function startAioServer(options: AioServerOptions = {}): Promise<AioServer> {
  const { tables = new AioTables(), layout = 'new', clients = [{ key: clientKey, secret: clientSecret }] } = options;
  const calls: Record<string, number> = {};
  const beats: { key: string; at: number }[] = [];
  const streams = { open: 0, opened: 0 };
  let faults: AioFaults = {};
  let { tokenLifeMs = 24 * 3_600_000, jwtSecret = 'default-client-jwt-secret' } = options;

  const claimsOf = (call: ServerCall): Claims | undefined => {
    const text = call.header('authorization') ?? call.header('token') ?? '';
    return verifyJwt(text.replace(/^bearer /i, ''), jwtSecret, tables.now());
  };
  const tokenFor = (client: AioClientRow) => {
    const iat = Math.floor(tables.now() / 1_000);
    const exp = iat + Math.round(tokenLifeMs / 1_000);
    const claims = {
      clientId: 1,
      clientKey: client.key,
      status: 1,
      iss: 'xiaozhizhang',
      sub: 'client',
      iat,
      nbf: iat,
      exp,
    };
    return {
      accessToken: signJwt({ ...claims, jti: String(Math.random()) }, jwtSecret),
      expiresAt: BigInt(exp),
      tokenType: 'Bearer',
    };
  };
  /** A method behind the interceptor; `answer` throws a `FleetError` for a status. */
  const method = <I, O>(served: Method<I, O>, body: (call: ServerCall<I, O>) => Promise<void>): ServedMethod =>
    serve<I, O>(served, async (call) => {
      const name = served.descriptor.name;
      calls[name] = (calls[name] ?? 0) + 1;
      if (!unchecked.has(name) && !claimsOf(call as ServerCall)) throw new FleetError('UNAUTHENTICATED', '未授权');
      const code = faults.fail?.[name];
      const said = faults.leaky ? ` what was called with ${call.header('authorization')}` : '';
      if (code && code !== 'OK') throw new FleetError(code, `told to fail with ${code}${said}`);
      if (faults.delayMs) await sleep(faults.delayMs);
      await body(call);
    });
  const unary = <I, O>(served: Method<I, O>, answer: (request: I, call: ServerCall) => object) =>
    method<I, O>(served, async (call) => {
      for await (const request of call.requests) {
        if (await hung(served.descriptor.name, call as ServerCall)) return;
        await call.send(create(served.descriptor.output, answer(request, call as ServerCall) as never) as O);
        return;
      }
    });
  const hung = async (name: string, { signal }: ServerCall): Promise<boolean> => {
    if (!faults.hang?.includes(name)) return false;
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve));
    return true;
  };

  const auth = ClientAuthService.method;
  const registry = RegistryService.method;
  const methods = [
    unary(methodOf(auth.authenticateClient), ({ clientKey: key, clientSecret: secret }) => {
      if (!key || !secret) throw new FleetError('INVALID_ARGUMENT', '参数错误');
      const client = clients.find((each) => each.key === key);
      if (!client || client.secret !== secret || client.disabled) {
        throw new FleetError('UNAUTHENTICATED', faults.leaky ? `wrong: ${secret}` : '客户端凭证无效');
      }
      return tokenFor(client);
    }),
    unary(methodOf(auth.renewToken), (_, call) => {
      const client = clients.find(({ key }) => key === claimsOf(call)?.clientKey);
      if (!client) throw new FleetError('UNAUTHENTICATED', '客户端不存在');
      if (client.disabled) throw new FleetError('PERMISSION_DENIED', '客户端已禁用');
      return tokenFor(client);
    }),
    unary(methodOf(registry.registerInstance), (request) => {
      const { serviceId, instanceKey: key, env, host, endpoint, metaJson, endpointsJson } = request;
      const ports = { httpPort: Number(request.httpPort), grpcPort: Number(request.grpcPort) };
      const known = layout === 'old' ? {} : { endpointsJson, ...ports };
      const row = { serviceId, key, env, host, endpoint, metaJson, ttlSeconds: Number(request.ttlSeconds), ...known };
      const { key: instanceKey, expiresAt } = tables.register(row);
      return { instanceKey, expiresAt: seconds(expiresAt) };
    }),
    unary(methodOf(registry.deregisterInstance), ({ serviceId, instanceKey }) => {
      if (faults.refuseDeregister) return { success: false, message: '注销失败' };
      tables.deregister(serviceId, instanceKey);
      return { success: true, message: '' };
    }),
    unary(methodOf(registry.listServices), ({ project, env }) => {
      const services = tables.servicesOf(project).map((row) => withInstances(row, tables.online(row.id, env), layout));
      return { services, total: services.length };
    }),
    unary(methodOf(registry.getServiceByID), ({ id }) => {
      if (id <= 0n) throw new FleetError('INVALID_ARGUMENT', '参数错误');
      const row = tables.services.find((each) => each.id === id);
      if (!row) throw new FleetError('NOT_FOUND', '服务不存在');
      return { service: withInstances(row, tables.online(id, ''), layout) };
    }),
    unary(methodOf(registry.ensureService), ({ project, name, owner, description, specJson }) => {
      const { row, created } = tables.ensureService({ project, name, owner, description, specJson });
      if (created && faults.collideOnce) {
        faults = { ...faults, collideOnce: false };
        throw new FleetError('INTERNAL', 'duplicate key value violates unique constraint');
      }
      return { service: serviceOf(row), created };
    }),
    method(methodOf(registry.heartbeatStream), async (call) => {
      streams.open++;
      streams.opened++;
      try {
        for await (const { serviceId, instanceKey: key } of call.requests) {
          beats.push({ key, at: Date.now() });
          if (await hung('HeartbeatStream', call as ServerCall)) return;
          const expiresAt = faults.zeroBeats ? 0n : tables.heartbeat(serviceId, key);
          await call.send(create(registry.heartbeatStream.output, { expiresAt }));
        }
      } finally {
        streams.open--;
      }
    }),
  ];
  const server = await openGrpcServer({ port: options.port ?? 0, methods });
  const close = () => server.close(200);

  return {
    address: `127.0.0.1:${server.port}`,
    port: server.port,
    ...{ tables, calls, beats, streams, clients },
    get connections() {
      return server.connections;
    },
    get tokenLifeMs() {
      return tokenLifeMs;
    },
    set tokenLifeMs(ms) {
      tokenLifeMs = ms;
    },
    get jwtSecret() {
      return jwtSecret;
    },
    set jwtSecret(secret) {
      jwtSecret = secret;
    },
    faults: (next) => void (faults = next),
    kill: () => server.kill(),
    close,
    [Symbol.asyncDispose]: close,
  };
}

function withInstances(
  row: ServiceRow,
  instances: readonly InstanceRow[],
  layout: 'old' | 'new',
): ServiceWithInstances {
  return create(ServiceWithInstancesSchema, {
    service: serviceOf(row),
    instances: instances.map((instance) => instanceOf(instance, layout)),
  });
}

function serviceOf({ createdAt, ...row }: ServiceRow) {
  return { ...row, createdAt: seconds(createdAt), updatedAt: seconds(createdAt) };
}

/** An instance in the layout of either generation of servers. */
export function instanceOf(row: InstanceRow, layout: 'old' | 'new'): Instance {
  const { id, serviceId, key: instanceKey, env, host, endpoint, metaJson } = row;
  const message = create(InstanceSchema, {
    ...{ id, serviceId, instanceKey, env, host, endpoint, metaJson },
    ttlSeconds: BigInt(row.ttlSeconds),
    lastHeartbeatAt: seconds(row.lastHeartbeatAt),
    createdAt: seconds(row.createdAt),
  });
  if (layout === 'old') {
    const data = new BinaryWriter().int64(seconds(row.updatedAt)).finish();
    message.$unknown = [{ no: 11, wireType: WireType.Varint, data }];
    return message;
  }
  message.httpPort = BigInt(row.httpPort);
  message.grpcPort = BigInt(row.grpcPort);
  message.updatedAt = seconds(row.updatedAt);
  const data = new BinaryWriter().string(row.endpointsJson).finish();
  if (row.endpointsJson) message.$unknown = [{ no: 11, wireType: WireType.LengthDelimited, data }];
  return message;
}

function seconds(ms: number): bigint {
  return BigInt(Math.floor(ms / 1_000));
}
