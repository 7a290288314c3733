/** `home_native.v1.Inference` of a node, each method in the way of its make. */

import { create } from '@bufbuild/protobuf';
import { EmptySchema } from '@bufbuild/protobuf/wkt';
import { FleetError } from '../../core/fleetError.js';
import { methodOf } from '../../core/method.js';
import { Inference, type Capability } from '../../gen/lumen/inference_pb.js';
import type { LoggedCall } from './callLog.js';
import { serve, type ServedMethod } from '../grpcServer.js';
import type { ServerCall } from '../serverCall.js';
import { inferAsHub } from './inferAsHub.js';
import { inferAsPython } from './inferAsPython.js';
import { hang, type Serving } from './serving.js';

/** The methods; a Python hub has no `StreamCapabilities`. */
export function inferenceService(node: Serving, capabilities: () => readonly Capability[]): readonly ServedMethod[] {
  const { infer, getCapabilities, streamCapabilities, health } = Inference.method;
  const ask = async <O>(
    method: LoggedCall['method'],
    call: ServerCall<unknown, O>,
    answers: () => readonly O[] | Promise<readonly O[]>,
  ) => {
    const end = node.log.begin({ method });
    try {
      for (const message of await answers()) await call.send(message);
      end('OK');
    } catch (thrown) {
      end(FleetError.from(thrown, 'INTERNAL').code);
      throw thrown;
    }
  };
  const askCapabilities = async (method: LoggedCall['method'], call: ServerCall<unknown, Capability>) => {
    await ask(method, call, async () => {
      if (node.faults.hangCapabilities) await hang(node, call.signal);
      if (!node.ready) throw starting(node);
      const all = capabilities();
      return method === 'GetCapabilities' ? all.slice(0, 1) : all;
    });
  };

  let lastId = 0;
  const newId = (): string => {
    lastId = Math.max(lastId + 1, Date.now());
    return `cid-${lastId}`;
  };

  const methods = [
    serve(methodOf(infer), (call) =>
      node.flavour === 'hub' ? inferAsHub(node, call) : inferAsPython(node, call, newId),
    ),
    serve(methodOf(getCapabilities), (call) => askCapabilities('GetCapabilities', call)),
    // Liveness only: OK even while the node starts.
    serve(methodOf(health), (call) => ask('Health', call, () => [create(EmptySchema)])),
  ];
  const stream = serve(methodOf(streamCapabilities), (call) => askCapabilities('StreamCapabilities', call));
  return node.flavour === 'pythonHub' ? methods : [...methods, stream];
}

function starting({ flavour, name }: Serving): FleetError {
  return flavour === 'hub'
    ? new FleetError('UNAVAILABLE', `${name} is starting`)
    : new FleetError('FAILED_PRECONDITION', 'Model not initialized');
}
