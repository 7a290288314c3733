/** `grpc.health.v1.Health` of a node: what it serves now, and each change of it. https://github.com/grpc/grpc/blob/master/doc/health-checking.md */

import { create } from '@bufbuild/protobuf';
import { FleetError } from '../../core/fleetError.js';
import { methodOf } from '../../core/method.js';
import {
  Health,
  HealthCheckResponse_ServingStatus as Status,
  HealthCheckResponseSchema,
  type HealthCheckRequest,
  type HealthCheckResponse,
} from '../../gen/grpc/health_pb.js';
import { Inference } from '../../gen/lumen/inference_pb.js';
import { serve, type ServedMethod } from '../grpcServer.js';
import type { ServerCall } from '../serverCall.js';
import { sleepUntil } from './serving.js';

type HealthCall = ServerCall<HealthCheckRequest, HealthCheckResponse>;

const known: ReadonlySet<string> = new Set(['', Inference.typeName]);

/** Answers for the whole server (the empty name) and for `home_native.v1.Inference`. */
export class HealthBoard {
  #status = Status.NOT_SERVING;
  readonly #watches = new Set<HealthCall>();

  /** Tells everyone who watches, if it is a change. */
  set(serving: boolean): void {
    const status = serving ? Status.SERVING : Status.NOT_SERVING;
    if (status === this.#status) return;
    this.#status = status;
    for (const call of this.#watches) void call.send(create(HealthCheckResponseSchema, { status }));
  }

  /** Says `NOT_SERVING` to everyone who watches, and ends their calls. */
  close(): void {
    this.set(false);
    for (const call of this.#watches) call.end('UNAVAILABLE', 'the server shuts down');
  }

  get methods(): readonly ServedMethod[] {
    return [
      serve(methodOf(Health.method.check), (call) => this.#check(call)),
      serve(methodOf(Health.method.watch), (call) => this.#watch(call)),
    ];
  }

  async #check(call: HealthCall): Promise<void> {
    const service = await serviceOf(call);
    if (!known.has(service)) throw new FleetError('NOT_FOUND', `unknown service "${service}"`);
    await call.send(create(HealthCheckResponseSchema, { status: this.#status }));
  }

  async #watch(call: HealthCall): Promise<void> {
    const service = await serviceOf(call);
    if (known.has(service)) this.#watches.add(call);
    const status = known.has(service) ? this.#status : Status.SERVICE_UNKNOWN;
    await call.send(create(HealthCheckResponseSchema, { status }));
    await sleepUntil(call.signal);
    this.#watches.delete(call);
  }
}

async function serviceOf(call: HealthCall): Promise<string> {
  for await (const { service } of call.requests) return service;
  return '';
}
