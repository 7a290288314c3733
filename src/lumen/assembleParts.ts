/**
 * From the messages of a node to whole, verified parts of an answer.
 *
 * A node answers with one message; or with partials, of which the last is final; or, past 4 MiB, with a result cut
 * into numbered chunks. Nothing of this is taken on trust: a result that was put together wrongly looks like any other.
 */

import { Observable, type OperatorFunction } from 'rxjs';
import { FleetError } from '../core/fleetError.js';
import type { InferResponse as WireResponse } from '../gen/lumen/inference_pb.js';
import { answerError } from './answerError.js';

/** One whole result of a node. */
export interface InferResult {
  /** The id of the node that answered. */
  readonly node: string;
  /** The task as that node calls it. */
  readonly task: string;
  readonly correlationId: string;
  /** The result as it came. */
  readonly bytes: Uint8Array;
  /** Such as `application/json;schema=embedding_v1`. */
  readonly mime: string;
  /** The name of the schema, when the node gave it apart from the MIME type. */
  readonly schema: string;
  readonly meta: Readonly<Record<string, string>>;
}

/** One part of an answer that comes in parts. */
export interface InferPart extends InferResult {
  /** 0 for the first. */
  readonly index: number;
  /** True for the last. */
  readonly final: boolean;
}

/** What the answer must fit. */
export interface AnswerContext {
  readonly node: string;
  readonly task: string;
  readonly correlationId: string;
  /** Most bytes that one result may have. */
  readonly maxResultBytes: number;
}

/**
 * Puts chunks together and lets partials through.
 *
 *     messages   -p-p-f|       p: a partial   f: the final one
 *     parts      -p-p-f|
 *
 *     messages   -0-1-2|       chunks 0 to 2 of 3
 *     parts      -----r|
 *
 *     messages   -0-2-#        a gap
 *     parts      ---#
 *
 * Errors:
 * - what the node says inside an answer, as the code that it says;
 * - `BAD_RESPONSE`: a correlation id that is not ours (an empty one is let pass: such a node echoes none), a chunk that
 *   is missing, repeated or out of order, another total, offset or meta than the chunks before, something after the
 *   final part, an end amid chunks or before the final part, no answer at all. One lone message need not be marked as
 *   final; of several the last must be;
 * - `RESOURCE_EXHAUSTED`: a result past `maxResultBytes`.
 */
export function assembleParts(context: AnswerContext): OperatorFunction<WireResponse, InferPart> {
  return (message$) =>
    new Observable((subscriber) => {
      const assembly = new Assembly(context);
      return message$.subscribe({
        next: (message) => {
          try {
            const part = assembly.take(message);
            if (part) subscriber.next(part);
          } catch (error) {
            subscriber.error(error);
          }
        },
        error: (error: unknown) => subscriber.error(error),
        complete: () => {
          const error = assembly.end();
          if (error) subscriber.error(error);
          else subscriber.complete();
        },
      });
    });
}

class Assembly {
  readonly #context: AnswerContext;
  #index = 0;
  #final = false;
  #head: WireResponse | undefined;
  #chunks: Uint8Array[] = [];
  #bytes = 0;

  constructor(context: AnswerContext) {
    this.#context = context;
  }

  take(message: WireResponse): InferPart | undefined {
    const { correlationId, node } = this.#context;
    if (message.error) throw answerError(message.error, node);
    if (message.correlationId !== '' && message.correlationId !== correlationId) {
      throw this.#bad(`it carries the correlation id "${message.correlationId}", ours is "${correlationId}"`);
    }
    if (this.#final) throw this.#bad('something followed its final part');
    if (message.total > 1n || this.#head) return this.#takeChunk(message);
    this.#checkSize(message.result.length);
    return this.#part(message, message.result, message.isFinal);
  }

  end(): FleetError | undefined {
    if (this.#head) return this.#bad(`it ended after ${this.#chunks.length} of ${this.#head.total} chunks`);
    if (this.#index === 0) return this.#bad('it ended without any answer');
    if (!this.#final && this.#index > 1) return this.#bad(`it ended after ${this.#index} parts without a final one`);
    return undefined;
  }

  #takeChunk(message: WireResponse): InferPart | undefined {
    const head = (this.#head ??= message);
    const expected = BigInt(this.#chunks.length);
    const { seq, total, offset } = message;
    if (total !== head.total)
      throw this.#bad(`chunk ${seq} says ${total} chunks in all, those before said ${head.total}`);
    if (seq < expected) throw this.#bad(`it repeats chunk ${seq} of ${total}`);
    if (seq > expected) throw this.#bad(`chunk ${expected} of ${total} is missing, chunk ${seq} came in its place`);
    if (offset !== BigInt(this.#bytes)) {
      throw this.#bad(`chunk ${seq} of ${total} has offset ${offset}, ${this.#bytes} bytes came before it`);
    }
    const different = difference(head, message);
    if (different) throw this.#bad(`chunk ${seq} of ${total} has another ${different} than the first`);
    const last = seq + 1n === total;
    if (message.isFinal && !last) throw this.#bad(`chunk ${seq} of ${total} is marked as final`);

    this.#bytes += message.result.length;
    this.#checkSize(this.#bytes);
    this.#chunks.push(message.result);
    if (!last) return undefined;

    const result = joined(this.#chunks, this.#bytes);
    this.#head = undefined;
    this.#chunks = [];
    this.#bytes = 0;
    return this.#part(message, result, message.isFinal);
  }

  #part(message: WireResponse, bytes: Uint8Array, final: boolean): InferPart {
    const { node, task, correlationId } = this.#context;
    this.#final = final;
    const { resultMime: mime, resultSchema: schema, meta } = message;
    return { node, task, correlationId, bytes, mime, schema, meta, index: this.#index++, final };
  }

  #checkSize(bytes: number): void {
    const { maxResultBytes, node } = this.#context;
    if (bytes <= maxResultBytes) return;
    throw new FleetError(
      'RESOURCE_EXHAUSTED',
      `the result of node ${node} for task ${this.#context.task} is larger than maxResultBytes (${maxResultBytes})`,
      { node },
    );
  }

  #bad(what: string): FleetError {
    const { node, task } = this.#context;
    return new FleetError('BAD_RESPONSE', `the answer of node ${node} to task ${task} breaks the protocol: ${what}`, {
      node,
    });
  }
}

/** The first thing in which a chunk differs from the first one, of those that must be equal. */
function difference(head: WireResponse, message: WireResponse): string | undefined {
  if (message === head) return undefined;
  if (message.correlationId !== head.correlationId) return 'correlation id';
  if (message.resultMime !== head.resultMime) return 'result_mime';
  if (message.resultSchema !== head.resultSchema) return 'result_schema';
  for (const key of new Set([...Object.keys(head.meta), ...Object.keys(message.meta)])) {
    const binding = key.startsWith('lumen.output.') || key.startsWith('lumen.model.');
    if (binding && message.meta[key] !== head.meta[key]) return `meta ${key}`;
  }
  return undefined;
}

function joined(chunks: readonly Uint8Array[], bytes: number): Uint8Array {
  const result = new Uint8Array(bytes);
  let offset = 0;
  for (const chunk of chunks) {
    result.set(chunk, offset);
    offset += chunk.length;
  }
  return result;
}

/**
 * The one result of an answer: its final part, once the node has ended the call. Partials before it are passed over.
 *
 *     parts    -p-p-f|
 *     result   ------(f|)
 */
export function finalResult(): OperatorFunction<InferPart, InferResult> {
  return (part$) =>
    new Observable((subscriber) => {
      let last: InferPart | undefined;
      return part$.subscribe({
        next: (part) => (last = part),
        error: (error: unknown) => subscriber.error(error),
        complete: () => {
          if (last) {
            const { index: _index, final: _final, ...result } = last;
            subscriber.next(result);
          }
          subscriber.complete();
        },
      });
    });
}
