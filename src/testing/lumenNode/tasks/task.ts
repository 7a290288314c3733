/** What a task of the embedded node is: a function from a payload to a few outputs. */

/** A task, and what a capability says of it. */
export interface NodeTask {
  /** Such as `semantic_text_embed`. */
  readonly name: string;
  /** MIME types that it takes; empty takes any. */
  readonly inputMimes: readonly string[];
  readonly outputMimes: readonly string[];
  /** Set for tasks that take a tensor too. */
  readonly tensorPreprocessId?: string;
  /**
   * The work. Every output but the last is `partial`; the last is not. A thrown `FleetError` becomes the error of the
   * request with its code, anything else `INTERNAL`.
   */
  readonly run: (input: TaskInput) => Iterable<TaskOutput> | AsyncIterable<TaskOutput>;
}

/** One whole request, put together from its pieces. */
export interface TaskInput {
  readonly payload: Uint8Array;
  readonly mime: string;
  /** Without `service`, which the node has used up. */
  readonly meta: Readonly<Record<string, string>>;
  /** The model asked for, else the first of the service. */
  readonly model: string;
  /** Aborted when nobody waits for the answer any more. */
  readonly signal: AbortSignal;
}

/** A result, or one part of a streamed one. */
export interface TaskOutput {
  readonly result: Uint8Array;
  /** Such as `application/json;schema=labels_v1`. */
  readonly mime: string;
  /** Such as `labels_v1`. Default empty. */
  readonly schema?: string;
  /** True when more follows. Default false. */
  readonly partial?: boolean;
  /** Cuts the result into chunks of so many bytes. Default: the node's `responseChunkBytes`. */
  readonly chunkBytes?: number;
}

const utf8 = new TextEncoder();

/** A result of one of the JSON schemas of the contract. */
export function jsonOutput(schema: string, value: object): TaskOutput {
  return { result: utf8.encode(JSON.stringify(value)), mime: jsonMime(schema), schema };
}

/** `application/json;schema=…`, to the letter: clients compare it as a whole. */
export function jsonMime(schema: string): string {
  return `application/json;schema=${schema}`;
}

/** Six digits are enough for a score, and keep the JSON short. */
export function rounded(value: number): number {
  return Math.round(value * 1e6) / 1e6;
}

/** The image types that every image task of the hub takes. */
export const imageMimes: readonly string[] = ['image/jpeg', 'image/png', 'image/webp', 'image/avif'];
