import { catchError, map, of } from 'rxjs';
import { FleetError } from '../../src/core/fleetError.js';
import type { InferPart } from '../../src/lumen/assembleParts.js';
import { textParts } from '../../src/lumen/textParts.js';
import { marble } from '../../src/testing/marble.js';

const part = (json: unknown, final = false, mime = 'application/json;schema=text_generation_v1'): InferPart => ({
  ...{ node: 'hub', task: 'text_generation', correlationId: 'id', schema: '', meta: {}, index: 0, mime, final },
  bytes: new TextEncoder().encode(typeof json === 'string' ? json : JSON.stringify(json)),
});
const words = { o: part({ text: 'Once' }), u: part({ text: ' upon' }) };
const read = [
  textParts(),
  map(({ text, soFar, final, finishReason }: { text: string; soFar: string; final: boolean; finishReason?: string }) =>
    [text, soFar, ...(final ? ['final'] : []), ...(finishReason ? [finishReason] : [])].join('|'),
  ),
  catchError((error: unknown) =>
    of(error instanceof FleetError ? `${error.code} ${error.bytes?.length}` : String(error)),
  ),
] as const;

describe('textParts', () => {
  marble('each part is the text that is new', (m) => {
    const end = part({ text: ' a', finish_reason: 'stop' }, true);
    m.expectObservable(m.cold('-o-u-e|', { ...words, e: end }).pipe(...read)).toBe('-o-u-e|', {
      o: 'Once|Once',
      u: ' upon|Once upon',
      e: ' a|Once upon a|final|stop',
    });
  });

  marble('a final part that holds the whole text again adds only what is new of it', (m) => {
    const whole = part({ text: 'Once upon', finish_reason: 'length' }, true);
    m.expectObservable(m.cold('-o-u-e|', { ...words, e: whole }).pipe(...read)).toBe('-o-u-e|', {
      o: 'Once|Once',
      u: ' upon|Once upon',
      e: '|Once upon|final|length',
    });
  });

  marble('a node that does not stream gives one final part', (m) => {
    const whole = part({ text: 'Once upon' }, true);
    m.expectObservable(m.cold('-e|', { e: whole }).pipe(...read)).toBe('-e|', { e: 'Once upon|Once upon|final' });
  });

  marble('plain text is text too', (m) => {
    const plain = part('Once', true, 'text/plain; charset=utf-8');
    m.expectObservable(m.cold('-e|', { e: plain }).pipe(...read)).toBe('-e|', { e: 'Once|Once|final' });
  });

  marble('a part that is no text is an error that keeps its bytes', (m) => {
    m.expectObservable(m.cold('-o-x|', { ...words, x: part('{}') }).pipe(...read)).toBe('-o-(x|)', {
      o: 'Once|Once',
      x: 'BAD_SCHEMA 2',
    });
  });

  marble('two listeners do not share their text', (m) => {
    const text$ = m.cold('-o-u|', words).pipe(...read);
    m.expectObservable(text$).toBe('-o-u|', { o: 'Once|Once', u: ' upon|Once upon' });
    m.expectObservable(text$).toBe('-o-u|', { o: 'Once|Once', u: ' upon|Once upon' });
  });
});
