/** From what a task yields to messages: partials as they are, results cut into chunks, and spoilt where faults say so. */

import { create } from '@bufbuild/protobuf';
import { InferResponseSchema, type InferResponse } from '../../gen/lumen/inference_pb.js';
import type { LumenFaults } from './faults.js';
import { jsonMime, type TaskOutput } from './tasks/task.js';

/** What all messages of an answer share. */
export interface ResponseHead {
  readonly correlationId: string;
  readonly meta: Readonly<Record<string, string>>;
  /** Python servers leave `result_schema` out, but for one. */
  readonly withSchema: boolean;
}

/**
 * The messages of one output. A partial has no total; a result says `seq`, `total` and `offset` on every chunk, is
 * one chunk up to `chunkBytes`, and is final on the last only.
 *
 * @param index How many messages of this answer went before.
 */
export function responsesOf(
  output: TaskOutput,
  head: ResponseHead,
  index: number,
  chunkBytes: number,
  faults: LumenFaults,
): readonly InferResponse[] {
  const { mime, schema = '', partial = false } = output;
  const said = faults.wrongSchema
    ? { mime: jsonMime(faults.wrongSchema), schema: faults.wrongSchema }
    : faults.missingMime
      ? { mime: '', schema: '' }
      : { mime, schema };
  const common = {
    correlationId: faults.correlationId ?? head.correlationId,
    meta: { ...head.meta },
    resultMime: said.mime,
    resultSchema: head.withSchema ? said.schema : '',
  };
  const result = spoilt(output.result, faults);
  if (partial) return [create(InferResponseSchema, { ...common, result, seq: BigInt(index) })];

  const size = faults.oversizedBytes === undefined ? (output.chunkBytes ?? chunkBytes) : Infinity;
  const total = Math.max(1, Math.ceil(result.length / size));
  const chunks = Array.from({ length: total }, (_, seq) => {
    const offset = total === 1 ? 0 : seq * size;
    return create(InferResponseSchema, {
      ...common,
      result: total === 1 ? result : result.subarray(offset, offset + size),
      isFinal: seq === total - 1,
      seq: BigInt(seq),
      total: BigInt(total + (faults.totalOff ?? 0)),
      offset: BigInt(offset),
    });
  });
  return chunks.flatMap((chunk, seq) =>
    seq === faults.skipChunk ? [] : seq === faults.repeatChunk ? [chunk, chunk] : [chunk],
  );
}

function spoilt(result: Uint8Array, { emptyResult, cutResult, oversizedBytes }: LumenFaults): Uint8Array {
  if (emptyResult) return new Uint8Array();
  if (cutResult) return result.subarray(0, Math.ceil(result.length / 2));
  if (oversizedBytes === undefined || result.length >= oversizedBytes) return result;
  const filled = new Uint8Array(oversizedBytes);
  filled.set(result);
  return filled;
}
