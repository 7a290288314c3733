/** Inferences over real Lumen nodes: the metrics and attributes of the GenAI conventions. */

import { context, ROOT_CONTEXT, trace as traces } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { firstValueFrom, lastValueFrom, toArray, type Subscription } from 'rxjs';
import { staticNodes } from '../../../src/index.js';
import { continueText, createLumenClient, type LumenClient } from '../../../src/lumen/index.js';
import { openTelemetry, type OpenTelemetryOptions } from '../../../src/metrics/otel.js';
import { startLumenNode, type LumenNode } from '../../../src/testing/lumenNode.js';
import { collected, type Collected } from './collected.js';

let nodes: readonly LumenNode[];
let lumen: LumenClient;
let seen: Collected;
let telemetry: Subscription;

async function begin(options: OpenTelemetryOptions = {}, names: readonly string[] = ['a']): Promise<void> {
  nodes = await Promise.all(names.map((name) => startLumenNode({ name })));
  lumen = createLumenClient({
    discovery: staticNodes(nodes.map(({ name, address }) => ({ id: name, address }))),
  });
  await lastValueFrom(lumen.ready());
  seen = collected();
  const { meterProvider, tracerProvider } = seen;
  telemetry = openTelemetry(lumen, { meterProvider, tracerProvider, ...options });
}
afterEach(async () => {
  telemetry.unsubscribe();
  await lumen.close({ drainMs: 0 });
  await Promise.all(nodes.map((node) => node.close(0)));
});

const generation = { 'gen_ai.operation.name': 'text_completion', 'gen_ai.provider.name': 'lumen' };

describe('a text that is generated', () => {
  it('has the time to its first chunk, those between chunks, and its duration', async () => {
    await begin();
    const parts = await lastValueFrom(lumen.generateText('Shall I compare', { maxTokens: 12 }).pipe(toArray()));
    const written = parts.filter(({ text }) => text !== '').length;
    const of = { ...generation, 'gen_ai.response.model': 'sonnets-trigram' };
    expect(await seen.value('gen_ai.client.operation.time_to_first_chunk', of)).toBe(1);
    expect(await seen.value('gen_ai.client.operation.time_per_output_chunk', of)).toBe(written - 1);
    expect(await seen.value('gen_ai.client.operation.duration', of)).toBe(1);
    const first = await seen.sum('gen_ai.client.operation.time_to_first_chunk');
    const between = await seen.sum('gen_ai.client.operation.time_per_output_chunk');
    const whole = await seen.sum('gen_ai.client.operation.duration');
    expect(first).toBeGreaterThan(0);
    expect(first + between).toBeLessThanOrEqual(whole);
  });

  it('says on the span of its call what was asked of which model, and what it cost', async () => {
    await begin();
    const last = await lastValueFrom(lumen.generateText('Shall I', { maxTokens: 4, model: 'sonnets-trigram' }));
    expect(seen.span('Sent.').name).toBe('Sent.home_native.v1.Inference.Infer');
    expect(seen.span('Sent.').attributes).toMatchObject({
      ...generation,
      'gen_ai.request.model': 'sonnets-trigram',
      'gen_ai.response.model': 'sonnets-trigram',
      'gen_ai.response.finish_reasons': [last.finishReason],
      ...(last.outputTokens !== undefined && { 'gen_ai.usage.output_tokens': last.outputTokens }),
    });
  });

  it('that another node finishes is one inference', async () => {
    await begin({}, ['a', 'b']);
    for (const node of nodes) node.faults({ dieAfterMessages: 3, death: 'node' });
    nodes[1]!.faults({});
    const text = lumen.generateText('Shall I compare', { maxTokens: 12, resume: continueText() });
    await lastValueFrom(text.pipe(toArray()));
    expect(await seen.value('gen_ai.client.operation.duration')).toBe(1);
    expect(await seen.value('gen_ai.client.operation.time_to_first_chunk')).toBe(1);
    expect(await seen.value('grpc.client.call.duration', { 'grpc.method': 'home_native.v1.Inference/Infer' })).toBe(1);
    expect(seen.spans('Sent.')).toHaveLength(1);
  });

  it('that fails has the code of the failure', async () => {
    await begin();
    await expect(lastValueFrom(lumen.generateText('x', { model: 'no-such-model' }))).rejects.toThrow();
    const [point] = (await seen.metrics()).get('gen_ai.client.operation.duration')!.dataPoints;
    expect(point!.attributes).toMatchObject({ ...generation, 'gen_ai.request.model': 'no-such-model' });
    expect(point!.attributes['error.type']).toMatch(/^NO/);
  });
});

describe('other inferences', () => {
  it('are embeddings, with the address of their node where that was asked for', async () => {
    await begin({ optionalAttributes: ['server.address'] });
    await firstValueFrom(lumen.embedText('a red bicycle'));
    const [point] = (await seen.metrics()).get('gen_ai.client.operation.duration')!.dataPoints;
    expect(point!.attributes).toEqual({
      'gen_ai.operation.name': 'embeddings',
      'gen_ai.provider.name': 'lumen',
      'gen_ai.response.model': 'hashed-ngrams-256',
      'server.address': nodes[0]!.host,
      'server.port': nodes[0]!.port,
    });
  });

  it('that are no generative AI have the metrics and spans of gRPC alone', async () => {
    await begin();
    await firstValueFrom(lumen.infer({ task: 'echo', payload: 'hello' }));
    expect([...(await seen.metrics()).keys()].filter((name) => name.startsWith('gen_ai'))).toEqual([]);
    expect(Object.keys(seen.span('Sent.').attributes).filter((key) => key.startsWith('gen_ai'))).toEqual([]);
  });

  it('have the span for a parent that is active where they are subscribed to, whatever call it takes', async () => {
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
    try {
      await begin();
      const [first] = nodes;
      first!.faults({ hang: true });
      const own = seen.tracerProvider.getTracer('user').startSpan('user');
      const answer = context.with(traces.setSpan(ROOT_CONTEXT, own), () =>
        firstValueFrom(lumen.infer({ task: 'echo', payload: 'hello' })),
      );
      await vi.waitUntil(() => first!.requests === 1);
      // The only node dies: the inference waits for it to come back, and makes a second call then.
      first!.kill();
      await vi.waitUntil(() => lumen.nodes$.value.nodes.every(({ availability }) => availability !== 'ready'));
      nodes = [await startLumenNode({ name: 'a', port: first!.port })];
      await answer;
      const calls = seen.spans('Sent.');
      expect(calls.map(({ attributes }) => attributes['rpc.status_code'])).toEqual(['UNAVAILABLE', 'OK']);
      for (const call of calls) expect(call.parentSpanContext?.spanId).toBe(own.spanContext().spanId);
    } finally {
      context.disable();
    }
  });
});
