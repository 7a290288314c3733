import fc from 'fast-check';
import { FleetError } from '../../src/core/fleetError.js';
import type { InferResult } from '../../src/lumen/assembleParts.js';
import {
  classificationOf,
  embeddingOf,
  facesOf,
  generatedTextOf,
  ocrTextOf,
  schemaOf,
} from '../../src/lumen/typedResult.js';

const result = (json: unknown, mime: string, schema = ''): InferResult => ({
  ...{ node: 'hub', task: 't', correlationId: 'id', mime, schema, meta: {} },
  bytes: new TextEncoder().encode(typeof json === 'string' ? json : JSON.stringify(json)),
});
const json = (name: string) => `application/json;schema=${name}`;
const refusal = (read: (result: InferResult) => unknown, given: InferResult): string => {
  try {
    read(given);
  } catch (error) {
    expect(error).toBeInstanceOf(FleetError);
    expect((error as FleetError).code).toBe('BAD_SCHEMA');
    expect((error as FleetError).bytes).toBe(given.bytes);
    expect((error as FleetError).node).toBe('hub');
    return (error as FleetError).message;
  }
  return 'taken';
};

describe('typed results', () => {
  it('reads an embedding', () => {
    const read = embeddingOf(
      result({ vector: [0.5, 1], dim: 2, model_id: 'm', aesthetic_score: 4 }, json('embedding_v1')),
    );
    expect(read).toEqual({ vector: [0.5, 1], model: 'm', node: 'hub', aestheticScore: 4 });
  });

  it('reads labels', () => {
    const given = result({ labels: [{ label: 'cat', score: 0.9 }], model_id: 'm' }, json('labels_v1'));
    expect(classificationOf(given)).toEqual({ labels: [{ label: 'cat', score: 0.9 }], model: 'm', node: 'hub' });
  });

  it('reads faces, landmarks as pairs or in a row, or none', () => {
    const face = (landmarks: unknown) => ({ bbox: [1, 2, 3, 4], confidence: 0.9, landmarks, embedding: [1] });
    const faces = [face([[1, 2]]), face([1, 2]), { bbox: [1, 2, 3, 4], confidence: 0.1, landmarks: null }];
    expect(facesOf(result({ faces, count: 3, model_id: 'm' }, json('face_v1'))).faces).toEqual([
      { box: [1, 2, 3, 4], confidence: 0.9, landmarks: [[1, 2]], embedding: [1] },
      { box: [1, 2, 3, 4], confidence: 0.9, landmarks: [[1, 2]], embedding: [1] },
      { box: [1, 2, 3, 4], confidence: 0.1 },
    ]);
  });

  it('reads text in pictures', () => {
    const items = [
      {
        box: [
          [0, 0],
          [1, 0],
          [1, 1],
        ],
        text: 'STOP',
        confidence: 0.8,
      },
    ];
    expect(ocrTextOf(result({ items, count: 1, model_id: 'm' }, json('ocr_v1'))).items).toEqual(items);
  });

  it('reads generated text, with the reason of its end', () => {
    const given = result({ text: 'a', finish_reason: 'stop', model_id: 'm' }, json('text_generation_v1'));
    expect(generatedTextOf(given)).toEqual({ text: 'a', finishReason: 'stop', model: 'm', node: 'hub' });
  });

  it('reads how many tokens a text cost, where the node says so in whole numbers', () => {
    const text = (more: object) => generatedTextOf(result({ text: 'a', ...more }, json('text_generation_v1')));
    expect(text({ input_tokens: 3, generated_tokens: 0 })).toMatchObject({ inputTokens: 3, outputTokens: 0 });
    for (const generated_tokens of [-1, 1.5, '7', null, {}]) {
      expect(text({ generated_tokens })).not.toHaveProperty('outputTokens');
    }
  });

  it.each([
    ['application/json;schema=embedding_v1', ''],
    ['application/json; schema="embedding_v1"', ''],
    ['application/json', 'embedding_v1'],
    ['application/json', ''],
    ['', ''],
  ])('takes the MIME forms of every make of node: %j with schema %j', (mime, schema) => {
    expect(embeddingOf(result({ vector: [1], model_id: 'm' }, mime, schema)).vector).toEqual([1]);
  });

  it('takes the schema field before that of the MIME type', () => {
    expect(schemaOf({ mime: json('a'), schema: 'b' })).toBe('b');
    expect(schemaOf({ mime: json('a'), schema: '' })).toBe('a');
  });

  it.each([
    ['another schema', result({ vector: [1] }, json('labels_v1')), 'labels_v1'],
    ['another MIME type', result('x', 'text/plain'), 'text/plain'],
    ['no JSON', result('{', json('embedding_v1')), 'cannot be read as JSON'],
    ['a list', result([], json('embedding_v1')), 'the result is not an object'],
    ['no vector', result({}, json('embedding_v1')), 'vector is not a list'],
    ['an empty vector', result({ vector: [] }, json('embedding_v1')), 'it is empty'],
    ['text in the vector', result({ vector: [1, 'x'] }, json('embedding_v1')), 'vector[1] is not a number'],
    ['a wrong dim', result({ vector: [1], dim: 2 }, json('embedding_v1')), 'dim is not'],
    ['a model that is no text', result({ vector: [1], model_id: 4 }, json('embedding_v1')), 'model_id is not text'],
  ])('refuses %s, and keeps the bytes', (_, given, words) => {
    expect(refusal(embeddingOf, given)).toContain(words);
  });

  it('names the field that is wrong, however deep', () => {
    expect(refusal(classificationOf, result({ labels: [{ label: 'a' }] }, json('labels_v1')))).toContain(
      'labels[0].score',
    );
    expect(refusal(facesOf, result({ faces: [{ bbox: [1, 2], confidence: 1 }] }, json('face_v1')))).toContain(
      'faces[0].bbox',
    );
    expect(refusal(facesOf, result({ faces: [], count: 2 }, json('face_v1')))).toContain('count');
    expect(refusal(ocrTextOf, result({ items: [{ box: [[1]], text: '', confidence: 1 }] }, json('ocr_v1')))).toContain(
      'items[0].box[0]',
    );
    expect(refusal(generatedTextOf, result({ text: 4 }, json('text_generation_v1')))).toContain('text is not text');
  });

  it('never throws anything but BAD_SCHEMA, whatever the bytes (property)', () => {
    const readers = [embeddingOf, classificationOf, facesOf, ocrTextOf, generatedTextOf];
    fc.assert(
      fc.property(
        fc.oneof(
          fc.jsonValue().map((value) => JSON.stringify(value)),
          fc.string(),
        ),
        (text) => {
          for (const read of readers) {
            try {
              read(result(text, 'application/json'));
            } catch (error) {
              expect((error as FleetError).code).toBe('BAD_SCHEMA');
            }
          }
        },
      ),
    );
  });
});
