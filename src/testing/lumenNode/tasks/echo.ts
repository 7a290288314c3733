/** Gives back what it got: for tests of what lies between. */

import { FleetError } from '../../../core/fleetError.js';
import type { NodeTask, TaskInput } from './task.js';

/**
 * `echo`: payload and MIME type as they came. Meta `chunks` cuts the answer into about so many chunks; meta `partials`
 * sends the payload in so many pieces first, as a stream does, and then the whole of it as the final part.
 */
export function echo(name = 'echo'): NodeTask {
  return {
    name,
    inputMimes: [],
    outputMimes: [],
    *run(input) {
      const { payload: result, mime } = input;
      const partials = count(input, 'partials') ?? 0;
      const chunks = count(input, 'chunks');
      const size = Math.ceil(result.length / Math.max(partials, 1));
      for (let i = 0; i < partials; i++) {
        yield { result: result.subarray(i * size, (i + 1) * size), mime, partial: true };
      }
      yield { result, mime, ...(chunks ? { chunkBytes: Math.max(1, Math.ceil(result.length / chunks)) } : {}) };
    },
  };
}

function count({ meta }: TaskInput, key: string): number | undefined {
  if (meta[key] === undefined) return undefined;
  const value = Number(meta[key]);
  if (Number.isInteger(value) && value >= 0) return value;
  throw new FleetError('INVALID_ARGUMENT', `meta ${key} must be a whole number, not "${meta[key]}"`);
}
