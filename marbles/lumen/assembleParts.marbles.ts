import { create } from '@bufbuild/protobuf';
import { catchError, map, of, type Observable, type OperatorFunction } from 'rxjs';
import { FleetError } from '../../src/core/fleetError.js';
import { ErrorCode, InferResponseSchema, type InferResponse } from '../../src/gen/lumen/inference_pb.js';
import { assembleParts, finalResult, type InferPart, type InferResult } from '../../src/lumen/assembleParts.js';
import { marble } from '../../src/testing/marble.js';

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (result: Pick<InferResult, 'bytes'>) => new TextDecoder().decode(result.bytes);
type Fields = Partial<Omit<InferResponse, '$typeName' | '$unknown'>>;
const message = (result: string, fields: Fields = {}) =>
  create(InferResponseSchema, { correlationId: 'id', result: bytes(result), ...fields } as never);
/** Chunk `seq` of `total`; each holds two bytes, as in `aabbcc`. */
const chunk = (seq: number, total: number, fields: Fields = {}) =>
  message('abcdef'[seq]!.repeat(2), {
    seq: BigInt(seq),
    total: BigInt(total),
    offset: BigInt(seq * 2),
    isFinal: seq === total - 1,
    ...fields,
  });

const final = message('whole', { isFinal: true });
const partial = message('part');
const chunks = { 0: chunk(0, 3), 1: chunk(1, 3), 2: chunk(2, 3) };
const context = { node: 'hub', task: 'ocr', correlationId: 'id', maxResultBytes: 1_000 };

/** A part as `text`, the final one as `text!`; the error as its code and words, in place of an end. */
const parts =
  (own: Partial<typeof context> = {}): OperatorFunction<InferResponse, string> =>
  (message$) =>
    message$.pipe(
      assembleParts({ ...context, ...own }),
      map((part) => `${text(part)}${part.final ? '!' : ''}`),
      catchError((error: unknown) => of(error instanceof FleetError ? `${error.code} ${error.detail}` : String(error))),
    );
const broke = (what: string) => `BAD_RESPONSE the answer of node hub to task ocr breaks the protocol: ${what}`;

describe('assembleParts', () => {
  marble('one message is one part', (m) => {
    m.expectObservable(m.cold('-f|', { f: final }).pipe(parts())).toBe('-f|', { f: 'whole!' });
  });

  marble('partials come as they are, the last is final', (m) => {
    m.expectObservable(m.cold('-p-p-f|', { p: partial, f: final }).pipe(parts())).toBe('-p-p-f|', {
      p: 'part',
      f: 'whole!',
    });
  });

  marble('chunks become one part when the last has come', (m) => {
    m.expectObservable(m.cold('-0-1-2|', chunks).pipe(parts())).toBe('-----r|', { r: 'aabbcc!' });
  });

  marble('partials may precede a final part in chunks', (m) => {
    m.expectObservable(m.cold('-p-0-1-2|', { ...chunks, p: partial }).pipe(parts())).toBe('-p-----r|', {
      p: 'part',
      r: 'aabbcc!',
    });
  });

  marble('a skipped chunk is an error', (m) => {
    m.expectObservable(m.cold('-0-2|', chunks).pipe(parts())).toBe('---(e|)', {
      e: broke('chunk 1 of 3 is missing, chunk 2 came in its place'),
    });
  });

  marble('a first chunk that is missing is an error', (m) => {
    m.expectObservable(m.cold('-1|', chunks).pipe(parts())).toBe('-(e|)', {
      e: broke('chunk 0 of 3 is missing, chunk 1 came in its place'),
    });
  });

  marble('a repeated chunk is an error', (m) => {
    m.expectObservable(m.cold('-0-1-1|', chunks).pipe(parts())).toBe('-----(e|)', {
      e: broke('it repeats chunk 1 of 3'),
    });
  });

  marble('a repeated last chunk is an error', (m) => {
    m.expectObservable(m.cold('-0-1-2-2|', chunks).pipe(parts())).toBe('-----r-(e|)', {
      r: 'aabbcc!',
      e: broke('something followed its final part'),
    });
  });

  marble('an end amid chunks is an error', (m) => {
    m.expectObservable(m.cold('-0-1|', chunks).pipe(parts())).toBe('----(e|)', {
      e: broke('it ended after 2 of 3 chunks'),
    });
  });

  marble('another total, offset, schema or meta amid chunks is an error', (m) => {
    const second = (fields: Fields) => m.cold('01|', { 0: chunk(0, 3), 1: chunk(1, 3, fields) }).pipe(parts());
    const expectBroke = (result$: Observable<string>, what: string) =>
      m.expectObservable(result$).toBe('-(e|)', { e: broke(what) });
    expectBroke(second({ total: 4n }), 'chunk 1 says 4 chunks in all, those before said 3');
    expectBroke(second({ offset: 1n }), 'chunk 1 of 3 has offset 1, 2 bytes came before it');
    expectBroke(second({ resultMime: 'text/plain' }), 'chunk 1 of 3 has another result_mime than the first');
    expectBroke(second({ resultSchema: 'x' }), 'chunk 1 of 3 has another result_schema than the first');
    expectBroke(
      second({ meta: { 'lumen.model.id': 'x' } }),
      'chunk 1 of 3 has another meta lumen.model.id than the first',
    );
    expectBroke(second({ correlationId: '' }), 'chunk 1 of 3 has another correlation id than the first');
    expectBroke(second({ isFinal: true }), 'chunk 1 of 3 is marked as final');
  });

  marble('meta that does not describe the result may differ from chunk to chunk', (m) => {
    const timed = { 0: chunk(0, 2, { meta: { lat_ms: '1' } }), 1: chunk(1, 2, { meta: { lat_ms: '2' } }) };
    m.expectObservable(m.cold('01|', timed).pipe(parts())).toBe('-r|', { r: 'aabb!' });
  });

  marble('a foreign correlation id is an error, an empty one is let pass', (m) => {
    const foreign = message('x', { correlationId: 'other', isFinal: true });
    const none = message('x', { correlationId: '', isFinal: true });
    m.expectObservable(m.cold('-f|', { f: foreign }).pipe(parts())).toBe('-(e|)', {
      e: broke('it carries the correlation id "other", ours is "id"'),
    });
    m.expectObservable(m.cold('-f|', { f: none }).pipe(parts())).toBe('-f|', { f: 'x!' });
  });

  marble('what a node says inside an answer is the error of the call', (m) => {
    const failing = (code: ErrorCode) =>
      m.cold('-f|', {
        f: message('', { isFinal: true, error: { code, message: 'no', detail: 'why' } as never }),
      });
    const expectError = (code: ErrorCode, name: string) =>
      m.expectObservable(failing(code).pipe(parts())).toBe('-(e|)', { e: `${name} no: why` });
    expectError(ErrorCode.INVALID_ARGUMENT, 'INVALID_ARGUMENT');
    expectError(ErrorCode.UNAVAILABLE, 'UNAVAILABLE');
    expectError(ErrorCode.DEADLINE_EXCEEDED, 'DEADLINE_EXCEEDED');
    expectError(ErrorCode.INTERNAL, 'INTERNAL');
    expectError(ErrorCode.UNSPECIFIED, 'UNKNOWN');
    expectError(99 as ErrorCode, 'UNKNOWN');
  });

  marble('a result past the limit is an error, at the chunk that passes it', (m) => {
    const e = 'RESOURCE_EXHAUSTED the result of node hub for task ocr is larger than maxResultBytes (3)';
    m.expectObservable(m.cold('-0-1-2|', chunks).pipe(parts({ maxResultBytes: 3 }))).toBe('---(e|)', { e });
    m.expectObservable(m.cold('-f|', { f: final }).pipe(parts({ maxResultBytes: 3 }))).toBe('-(e|)', { e });
    m.expectObservable(m.cold('-0-1-2|', chunks).pipe(parts({ maxResultBytes: 6 }))).toBe('-----r|', { r: 'aabbcc!' });
  });

  marble('an end without any answer is an error', (m) => {
    m.expectObservable(m.cold<InferResponse>('--|').pipe(parts())).toBe('--(e|)', {
      e: broke('it ended without any answer'),
    });
  });

  marble('several parts of which none is final are an error, one alone is not', (m) => {
    m.expectObservable(m.cold('-p-p|', { p: partial }).pipe(parts())).toBe('-p-p(e|)', {
      p: 'part',
      e: broke('it ended after 2 parts without a final one'),
    });
    m.expectObservable(m.cold('-p|', { p: partial }).pipe(parts())).toBe('-p|', { p: 'part' });
  });

  marble('an error of the call passes, and a call without end gives no end', (m) => {
    const error = new FleetError('UNAVAILABLE', 'the node died');
    m.expectObservable(m.cold('-0-#', chunks, error).pipe(parts())).toBe('---(e|)', { e: 'UNAVAILABLE the node died' });
    m.expectObservable(m.cold('-0--', chunks).pipe(parts())).toBe('----');
  });

  marble('an error ends the call on the wire', (m) => {
    const wire = m.cold('-0-2---', chunks);
    m.expectObservable(wire.pipe(parts())).toBe('---(e|)', {
      e: broke('chunk 1 of 3 is missing, chunk 2 came in its place'),
    });
    m.expectSubscriptions(wire.subscriptions).toBe('^--!');
  });

  marble('unsubscribing cancels the call', (m) => {
    const wire = m.cold('-0-1-2|', chunks);
    m.expectObservable(wire.pipe(parts()), '--!').toBe('---');
    m.expectSubscriptions(wire.subscriptions).toBe('^-!');
  });
});

describe('finalResult', () => {
  const part = (index: number, isFinal: boolean): InferPart => ({
    ...{ node: 'hub', task: 'ocr', correlationId: 'id', mime: '', schema: '', meta: {} },
    bytes: bytes(String(index)),
    index,
    final: isFinal,
  });
  const result = (letter: string): InferResult => {
    const { index: _, final: __, ...rest } = part(Number(letter), true);
    return rest;
  };

  marble('the final part is the result, once the node has ended the call', (m) => {
    const p = { 0: part(0, false), 1: part(1, false), 2: part(2, true) };
    m.expectObservable(m.cold('-0-1-2-|', p).pipe(finalResult())).toBe('-------(r|)', { r: result('2') });
  });

  marble('an error leaves no result behind', (m) => {
    m.expectObservable(m.cold('-0-#', { 0: part(0, true) }).pipe(finalResult())).toBe('---#');
    m.expectObservable(m.cold<InferPart>('-|').pipe(finalResult())).toBe('-|');
  });
});
