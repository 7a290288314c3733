/** `Infer` as the Rust hub serves it: one request a stream, read to the end, failures as status. */

import { toBinary } from '@bufbuild/protobuf';
import { FleetError } from '../../core/fleetError.js';
import { InferRequestSchema, type InferRequest } from '../../gen/lumen/inference_pb.js';
import { answer, refused, type InferCall, type Route } from './answer.js';
import { assembleRequest, type WholeRequest } from './assembleRequest.js';
import type { Serving } from './serving.js';

/** Serves one stream. */
export async function inferAsHub(node: Serving, call: InferCall): Promise<void> {
  if (!node.ready) throw refused(node, new FleetError('UNAVAILABLE', `${node.name} is starting`));
  const messages: InferRequest[] = [];
  for await (const message of call.requests) {
    checkSize(message, node.maxRequestBytes);
    messages.push(message);
  }
  if (call.signal.aborted) return;
  const request = assembled(node, messages);
  await answer(node, call, request, () => routeAsHub(node, request));
}

function assembled(node: Serving, messages: readonly InferRequest[]): WholeRequest {
  try {
    return assembleRequest(messages);
  } catch (thrown) {
    throw refused(node, FleetError.from(thrown, 'INTERNAL'), messages[0]);
  }
}

/** By meta `service`, which may be left out where there is one service only; then by task. */
function routeAsHub({ services }: Serving, { meta, task: name }: WholeRequest): Route {
  const asked = meta['service'];
  if (asked === undefined && services.length > 1) {
    const names = services.map((service) => service.name).join(', ');
    throw new FleetError('INVALID_ARGUMENT', `meta "service" is required, one of: ${names}`);
  }
  const service = asked === undefined ? services[0]! : services.find((candidate) => candidate.name === asked);
  if (!service) throw new FleetError('NOT_FOUND', `no service "${asked}"`);
  const task = service.tasks.find((candidate) => candidate.name === name);
  if (!task) throw new FleetError('NOT_FOUND', `service ${service.name} has no task "${name}"`);
  return { service, task };
}

/** The hub's library decodes messages up to a limit and says `OUT_OF_RANGE` past it. */
function checkSize(message: InferRequest, limit: number): void {
  // Encoding anew is worth it only near the limit.
  if (message.payload.length < limit / 2) return;
  const size = toBinary(InferRequestSchema, message).length;
  if (size <= limit) return;
  throw new FleetError(
    'OUT_OF_RANGE',
    `decoded message length too large: found ${size} bytes, the limit is: ${limit} bytes`,
  );
}
