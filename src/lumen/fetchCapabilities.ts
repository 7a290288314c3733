/** Asks a node for its capabilities: the new way, and where the node does not know it, the old way. */

import { create } from '@bufbuild/protobuf';
import { EmptySchema } from '@bufbuild/protobuf/wkt';
import { catchError, map, throwError, toArray, type Observable } from 'rxjs';
import type { Capability } from '../core/capability.js';
import { FleetError } from '../core/fleetError.js';
import { methodOf, type Method } from '../core/method.js';
import { Inference, type Capability as WireCapability } from '../gen/lumen/inference_pb.js';

/** One call on one connection: emits the answers, errors with a `FleetError`. */
export type Ask = <I, O>(method: Method<I, O>, request: I) => Observable<O>;

/**
 * `StreamCapabilities`; when the node answers `UNIMPLEMENTED`, `GetCapabilities`. When it knows neither, the error
 * is `UNIMPLEMENTED`: it is no Lumen node.
 */
export function fetchCapabilities(ask: Ask): Observable<readonly Capability[]> {
  return ask(methodOf(Inference.method.streamCapabilities), create(EmptySchema)).pipe(
    toArray(),
    catchError((error: unknown) =>
      error instanceof FleetError && error.code === 'UNIMPLEMENTED'
        ? ask(methodOf(Inference.method.getCapabilities), create(EmptySchema)).pipe(toArray())
        : throwError(() => error),
    ),
    map((capabilities) => capabilities.map(capabilityOf)),
  );
}

/** From the wire to the vocabulary. */
export function capabilityOf(wire: WireCapability): Capability {
  return {
    service: wire.serviceName,
    models: wire.modelIds,
    runtime: wire.runtime,
    maxConcurrency: wire.maxConcurrency,
    precisions: wire.precisions,
    tasks: wire.tasks.map((task) => ({
      name: task.name,
      inputMimes: task.inputMimes,
      outputMimes: task.outputMimes,
      limits: task.limits,
      tensorPreprocessId: task.tensorPreprocessId,
      tensorBatchingSupported: task.tensorBatchingSupported,
    })),
    protocolVersion: wire.protocolVersion,
    extra: wire.extra,
  };
}
