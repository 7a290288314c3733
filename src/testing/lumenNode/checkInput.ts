/** Whether a task can take what it was given. */

import { FleetError } from '../../core/fleetError.js';
import type { WholeRequest } from './assembleRequest.js';
import type { NodeService } from './services.js';
import type { NodeTask } from './tasks/task.js';

const sizes: Readonly<Record<string, number>> = { fp32: 4, fp16: 2, uint8: 1, int64: 8 };

/**
 * @throws FleetError `INVALID_ARGUMENT` for a MIME type that the task does not take, or a tensor that is none;
 * `NOT_FOUND` for a model that the service does not have.
 */
export function checkInput(request: WholeRequest, task: NodeTask, service: NodeService): void {
  const model = request.meta['lumen.model.id'];
  if (model !== undefined && !service.models.includes(model)) {
    throw new FleetError('NOT_FOUND', `service ${service.name} has no model "${model}"`);
  }
  if (request.meta['lumen.input.kind'] === 'tensor') {
    checkTensor(request, task);
    return;
  }
  const type = request.mime.split(';', 1)[0]!.trim().toLowerCase();
  if (task.inputMimes.length > 0 && !task.inputMimes.includes(type)) {
    throw invalid(`task ${task.name} takes ${task.inputMimes.join(', ')}, not "${request.mime}"`);
  }
}

function checkTensor({ mime, meta, payload }: WholeRequest, task: NodeTask): void {
  if (!task.tensorPreprocessId) throw invalid(`task ${task.name} takes no tensors`);
  if (mime !== 'application/octet-stream') throw invalid(`a tensor is application/octet-stream, not "${mime}"`);
  const size = sizes[meta['lumen.tensor.dtype'] ?? ''];
  if (!size) throw invalid(`lumen.tensor.dtype "${meta['lumen.tensor.dtype'] ?? ''}" is not known`);
  const expected = shapeOf(meta['lumen.tensor.shape']).reduce((a, b) => a * b, size);
  if (expected !== payload.length) throw invalid(`the tensor should have ${expected} bytes, it has ${payload.length}`);
}

function shapeOf(text = ''): readonly number[] {
  try {
    const shape = JSON.parse(text) as unknown;
    if (Array.isArray(shape) && shape.length > 0 && shape.every((n) => Number.isInteger(n) && n > 0))
      return shape as number[];
  } catch {
    // Said below.
  }
  throw invalid(`lumen.tensor.shape "${text}" is no list of whole numbers`);
}

function invalid(message: string): FleetError {
  return new FleetError('INVALID_ARGUMENT', message);
}
