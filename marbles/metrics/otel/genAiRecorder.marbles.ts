import { take, type Observable } from 'rxjs';
import { FleetError } from '../../../src/core/fleetError.js';
import type { InferenceEvent } from '../../../src/lumen/inferenceEvent.js';
import { watchedInference } from '../../../src/lumen/watchedInference.js';
import { metricsOf, type Metric } from '../../../src/metrics/metric.js';
import { genAiMetrics } from '../../../src/metrics/otel/genAiMetrics.js';
import { GenAiRecorder } from '../../../src/metrics/otel/genAiRecorder.js';
import { dispatch } from '../../../src/metrics/recorder.js';
import { marble, type MarbleHelpers } from '../../../src/testing/marble.js';

/** What is measured of an inference, as `metric value attributes`, in seconds. */
function measured(
  m: MarbleHelpers,
  run: Observable<unknown>,
  { task = 'text_generation', single = false, model = '' }: { task?: string; single?: boolean; model?: string } = {},
) {
  const told: string[] = [];
  const metric = (name: string): Metric => ({
    sum: () => ({ add: () => undefined }),
    distribution: ({ operation, provider, ...rest } = {}) => ({
      observe: (value) => told.push([name, value, operation, provider, ...Object.values(rest)].join(' ')),
    }),
    reading: () => undefined,
  });
  const keys = Object.fromEntries(Object.keys(genAiMetrics).map((key) => [key, key])) as Record<
    keyof typeof genAiMetrics,
    string
  >;
  const tell = dispatch<InferenceEvent>([new GenAiRecorder(metricsOf(keys, metric), undefined) as never]);
  const now = () => m.scheduler.now();
  const events = { observed: true, next: tell };
  const request = { task, payload: 'x', ...(model && { model }) };
  const answers$ = watchedInference({ events, now, clock: now }, request, single, () => run);
  return { told, answers$ };
}

const part = (text: string, more = {}) => ({ text, soFar: text, node: 'n', model: '', continuity: 'exact', ...more });

describe('genAiRecorder', () => {
  marble('measures the time to the first part, from each part to the next, and the whole', (m) => {
    const run = m.cold('--a-b---c|', { a: part('a'), b: part('b'), c: part('c') });
    const { told, answers$ } = measured(m, run);
    m.expectObservable(answers$).toBe('--a-b---c|', { a: part('a'), b: part('b'), c: part('c') });
    m.flush();
    expect(told).toEqual([
      'timeToFirstChunk 0.002 text_completion lumen',
      'timePerOutputChunk 0.002 text_completion lumen',
      'timePerOutputChunk 0.004 text_completion lumen',
      'duration 0.009 text_completion lumen',
    ]);
  });

  marble('a last part without text is no part of the answer; it brings the tokens, and the model that gave it', (m) => {
    const end = part('', { final: true, inputTokens: 7, outputTokens: 2, model: 'm-1' });
    const { told, answers$ } = measured(m, m.cold('-a--(e|)', { a: part('a', { model: 'm-1' }), e: end }), {
      model: 'm',
    });
    m.expectObservable(answers$).toBe('-a--(e|)', { a: part('a', { model: 'm-1' }), e: end });
    m.flush();
    expect(told).toEqual([
      'timeToFirstChunk 0.001 text_completion lumen m m-1',
      'duration 0.004 text_completion lumen m m-1',
      'tokenUsage 7 text_completion lumen m m-1 input',
      'tokenUsage 2 text_completion lumen m m-1 output',
    ]);
  });

  marble('tokens of a text that another node has finished are not told: each counted its own', (m) => {
    const end = part('', { final: true, inputTokens: 7, outputTokens: 2, continuity: 'text' });
    const { told, answers$ } = measured(m, m.cold('-(e|)', { e: end }));
    m.expectObservable(answers$).toBe('-(e|)', { e: end });
    m.flush();
    expect(told).toEqual(['duration 0.001 text_completion lumen']);
  });

  marble('one result has no chunks; an embedding is one', (m) => {
    const vector = { vector: new Float32Array(1), model: 'clip', node: 'n' };
    const options = { task: 'semantic_text_embed', single: true };
    const { told, answers$ } = measured(m, m.cold('--a|', { a: vector }), options);
    m.expectObservable(answers$).toBe('--a|', { a: vector });
    m.flush();
    expect(told).toEqual(['duration 0.002 embeddings lumen clip']);
  });

  marble('a failure has its code, and who leaves early has cancelled it', (m) => {
    const failed = measured(m, m.cold('-#', {}, new FleetError('UNAVAILABLE', 'down')));
    failed.answers$.subscribe({ error: () => undefined });
    const left = measured(m, m.cold('-a-b|', { a: part('a'), b: part('b') }));
    m.expectObservable(left.answers$.pipe(take(1))).toBe('-(a|)', { a: part('a') });
    m.flush();
    expect(failed.told).toEqual(['duration 0.001 text_completion lumen UNAVAILABLE']);
    expect(left.told).toEqual([
      'timeToFirstChunk 0.001 text_completion lumen',
      'duration 0.001 text_completion lumen CANCELLED',
    ]);
  });

  marble('what is no generative AI has no such metrics', (m) => {
    const all = ['ocr', 'clip_classify', 'face_detect', 'echo'].map((task) => {
      const { told, answers$ } = measured(m, m.cold('-a|'), { task, single: true });
      m.expectObservable(answers$).toBe('-a|');
      return told;
    });
    m.flush();
    expect(all.flat()).toEqual([]);
  });
});
