/** `Infer` as the Python servers serve it: many requests a stream, answered one by one, failures inside answers. */

import { FleetError } from '../../core/fleetError.js';
import type { InferRequest } from '../../gen/lumen/inference_pb.js';
import { answer, refused, type InferCall, type Route } from './answer.js';
import { wholeOf, type WholeRequest } from './assembleRequest.js';
import { failedAnswer, StatusFailure } from './failure.js';
import type { Serving } from './serving.js';

/**
 * Serves one stream.
 *
 * Pieces are put together by correlation id in the order in which they arrive, until one says that it is the last.
 * A message without an id is given one of its own, so that pieces without an id never come together. The task `ocr`
 * takes each piece for an image of its own.
 *
 * @param newId Makes up a correlation id.
 */
export async function inferAsPython(node: Serving, call: InferCall, newId: () => string): Promise<void> {
  if (!node.ready) throw refused(node, new FleetError('FAILED_PRECONDITION', 'Model not initialized'));
  const pieces = new Map<string, InferRequest[]>();
  for await (const message of call.requests) {
    const correlationId = message.correlationId || newId();
    const request = complete(pieces, { ...message, correlationId }, message.correlationId !== '');
    if (!request) continue;
    try {
      await answer(node, call, request, () => routeAsPython(node, request));
    } catch (thrown) {
      if (call.signal.aborted) return;
      if (thrown instanceof StatusFailure) throw thrown;
      await call.send(failedAnswer(correlationId, FleetError.from(thrown, 'INTERNAL')));
    }
  }
}

function complete(
  pieces: Map<string, InferRequest[]>,
  message: InferRequest,
  named: boolean,
): WholeRequest | undefined {
  const { correlationId, seq, total, task } = message;
  if (total <= 1n || task === 'ocr') return wholeOf(message, [message]);
  if (!named) return undefined;
  const list = pieces.get(correlationId) ?? [];
  list.push(message);
  pieces.set(correlationId, list);
  if (seq + 1n !== total) return undefined;
  pieces.delete(correlationId);
  return wholeOf(message, list);
}

/** By task alone; meta `service` counts for nothing. */
function routeAsPython({ services, flavour }: Serving, { task: name }: WholeRequest): Route {
  for (const service of services) {
    const task = service.tasks.find((candidate) => candidate.name === name);
    if (task) return { service, task };
  }
  // The Python hub finds no service for the stream, and so has nobody to answer in.
  throw new (flavour === 'pythonHub' ? StatusFailure : FleetError)('NOT_FOUND', `Unknown task: ${name}`);
}
