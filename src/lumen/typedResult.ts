/** From the JSON of a node to typed results: every field is checked, and a bad one is named. */

import { FleetError } from '../core/fleetError.js';
import type { InferResult } from './assembleParts.js';

/** What every typed result says besides its own. */
export interface TypedResult {
  /** The model that did it; empty when the node does not say. */
  readonly model: string;
  /** The id of the node that answered. */
  readonly node: string;
}

/** Schema `embedding_v1`. */
export interface Embedding extends TypedResult {
  readonly vector: readonly number[];
  /** Set by models that judge pictures. */
  readonly aestheticScore?: number;
}

/** Schema `labels_v1`. */
export interface Classification extends TypedResult {
  readonly labels: readonly { readonly label: string; readonly score: number }[];
}

/** One face of schema `face_v1`. */
export interface Face {
  /** Left, top, right, bottom, as the node gives them. */
  readonly box: readonly [number, number, number, number];
  readonly confidence: number;
  /** Points of the face, each x and y (nodes write pairs, or all numbers in a row); absent when the model finds none. */
  readonly landmarks?: readonly (readonly [number, number])[];
  readonly embedding?: readonly number[];
}

/** Schema `face_v1`. */
export interface Faces extends TypedResult {
  readonly faces: readonly Face[];
}

/** Schema `ocr_v1`. */
export interface OcrText extends TypedResult {
  readonly items: readonly {
    /** The corners of the text, each x and y. */
    readonly box: readonly (readonly [number, number])[];
    readonly text: string;
    readonly confidence: number;
  }[];
}

/** One message of schema `text_generation_v1`. */
export interface GeneratedText extends TypedResult {
  readonly text: string;
  /** Why it stopped, such as `stop` or `length`; on the final part, when the node says. */
  readonly finishReason?: string;
  /** Tokens that the node read and wrote, on the final part, when it says. */
  readonly inputTokens?: number;
  readonly outputTokens?: number;
}

type Json = Readonly<Record<string, unknown>>;

/** @throws FleetError `BAD_SCHEMA` with the bytes. */
export function embeddingOf(result: InferResult): Embedding {
  return read(result, 'embedding_v1', (json, need) => {
    const vector = need.numbers(json['vector'], 'vector');
    need.that(vector.length > 0, 'vector', 'a list of numbers, it is empty');
    need.that(
      json['dim'] === undefined || json['dim'] === vector.length,
      'dim',
      `the length of vector, ${vector.length}`,
    );
    const score = json['aesthetic_score'];
    return {
      vector,
      ...(score === undefined || score === null ? {} : { aestheticScore: need.number(score, 'aesthetic_score') }),
    };
  });
}

/** @throws FleetError `BAD_SCHEMA` with the bytes. */
export function classificationOf(result: InferResult): Classification {
  return read(result, 'labels_v1', (json, need) => ({
    labels: need.list(json['labels'], 'labels').map((item, i) => {
      const label = need.object(item, `labels[${i}]`);
      return {
        label: need.text(label['label'], `labels[${i}].label`),
        score: need.number(label['score'], `labels[${i}].score`),
      };
    }),
  }));
}

/** @throws FleetError `BAD_SCHEMA` with the bytes. */
export function facesOf(result: InferResult): Faces {
  return read(result, 'face_v1', (json, need) => {
    const faces = need.list(json['faces'], 'faces').map((item, i): Face => {
      const at = `faces[${i}]`;
      const face = need.object(item, at);
      const box = need.numbers(face['bbox'], `${at}.bbox`);
      need.that(box.length === 4, `${at}.bbox`, 'four numbers');
      const { landmarks, embedding } = face;
      return {
        box: box as unknown as Face['box'],
        confidence: need.number(face['confidence'], `${at}.confidence`),
        ...(isSet(landmarks) ? { landmarks: need.points(paired(landmarks), `${at}.landmarks`) } : {}),
        ...(isSet(embedding) ? { embedding: need.numbers(embedding, `${at}.embedding`) } : {}),
      };
    });
    need.that(
      json['count'] === undefined || json['count'] === faces.length,
      'count',
      `the number of faces, ${faces.length}`,
    );
    return { faces };
  });
}

/** @throws FleetError `BAD_SCHEMA` with the bytes. */
export function ocrTextOf(result: InferResult): OcrText {
  return read(result, 'ocr_v1', (json, need) => {
    const items = need.list(json['items'], 'items').map((entry, i) => {
      const at = `items[${i}]`;
      const item = need.object(entry, at);
      return {
        box: need.points(item['box'], `${at}.box`),
        text: need.text(item['text'], `${at}.text`),
        confidence: need.number(item['confidence'], `${at}.confidence`),
      };
    });
    need.that(
      json['count'] === undefined || json['count'] === items.length,
      'count',
      `the number of items, ${items.length}`,
    );
    return { items };
  });
}

/** Takes plain text too. @throws FleetError `BAD_SCHEMA` with the bytes. */
export function generatedTextOf(result: InferResult): GeneratedText {
  if (mediaType(result.mime) === 'text/plain') {
    return {
      text: new TextDecoder().decode(result.bytes),
      model: result.meta['lumen.model.id'] ?? '',
      node: result.node,
    };
  }
  return read(result, 'text_generation_v1', (json, need) => ({
    text: need.text(json['text'], 'text'),
    ...(isSet(json['finish_reason']) ? { finishReason: need.text(json['finish_reason'], 'finish_reason') } : {}),
    ...counted('inputTokens', json['input_tokens']),
    ...counted('outputTokens', json['generated_tokens']),
  }));
}

/** A count that a node may give along; nothing depends on it, so another thing in its place is passed over. */
function counted<K extends string>(name: K, value: unknown): Partial<Record<K, number>> {
  if (!Number.isInteger(value) || (value as number) < 0) return {};
  return { [name]: value } as Partial<Record<K, number>>;
}

/**
 * The schema that a result claims: `result_schema`, else the parameter of its MIME type; empty when neither is given.
 * Hubs write `application/json;schema=ocr_v1`, Python nodes also with a blank or quotes.
 */
export function schemaOf({ mime, schema }: Pick<InferResult, 'mime' | 'schema'>): string {
  const parameter = /;\s*schema\s*=\s*"?([^";\s]+)"?/i.exec(mime)?.[1];
  return (schema || parameter || '').trim().toLowerCase();
}

function mediaType(mime: string): string {
  return mime.split(';', 1)[0]!.trim().toLowerCase();
}

/** `[x, y, x, y]` as `[[x, y], [x, y]]`; anything else as it is. */
function paired(value: unknown): unknown {
  if (!Array.isArray(value) || value.length % 2 !== 0 || typeof value[0] !== 'number') return value;
  return Array.from({ length: value.length / 2 }, (_, i) => [value[2 * i], value[2 * i + 1]] as unknown);
}

function isSet(value: unknown): boolean {
  return value !== undefined && value !== null;
}

function read<T>(result: InferResult, expected: string, parse: (json: Json, need: Needs) => T): T & TypedResult {
  const { bytes, mime, node, task } = result;
  const bad = (what: string, cause?: unknown) =>
    new FleetError('BAD_SCHEMA', `the result of node ${node} for task ${task} is no ${expected}: ${what}`, {
      node,
      bytes,
      ...(cause === undefined ? {} : { cause }),
    });
  const type = mediaType(mime);
  if (type !== '' && type !== 'application/json') throw bad(`its MIME type is ${mime}`);
  const schema = schemaOf(result);
  if (schema !== '' && schema !== expected) throw bad(`it says that it is ${schema}`);
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    throw bad(`it cannot be read as JSON (${error instanceof Error ? error.message : String(error)})`, error);
  }
  const need = new Needs(bad);
  const object = need.object(json, 'the result');
  const model = isSet(object['model_id'])
    ? need.text(object['model_id'], 'model_id')
    : (result.meta['lumen.model.id'] ?? '');
  return { ...parse(object, need), model, node };
}

/** The checks; each throws with the path of what it found wrong. */
class Needs {
  constructor(private readonly bad: (what: string) => FleetError) {}

  that(ok: boolean, path: string, rule: string): void {
    if (!ok) throw this.bad(`${path} is not ${rule}`);
  }

  object(value: unknown, path: string): Json {
    this.that(typeof value === 'object' && value !== null && !Array.isArray(value), path, 'an object');
    return value as Json;
  }

  list(value: unknown, path: string): readonly unknown[] {
    this.that(Array.isArray(value), path, 'a list');
    return value as readonly unknown[];
  }

  text(value: unknown, path: string): string {
    this.that(typeof value === 'string', path, 'text');
    return value as string;
  }

  number(value: unknown, path: string): number {
    this.that(typeof value === 'number' && Number.isFinite(value), path, 'a number');
    return value as number;
  }

  numbers(value: unknown, path: string): readonly number[] {
    const list = this.list(value, path);
    for (let i = 0; i < list.length; i++) this.number(list[i], `${path}[${i}]`);
    return list as readonly number[];
  }

  points(value: unknown, path: string): readonly (readonly [number, number])[] {
    return this.list(value, path).map((point, i) => {
      const numbers = this.numbers(point, `${path}[${i}]`);
      this.that(numbers.length === 2, `${path}[${i}]`, 'two numbers');
      return numbers as unknown as readonly [number, number];
    });
  }
}
