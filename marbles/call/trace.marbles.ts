import { trace, traceIdOf } from '../../src/call/trace.js';
import { formatTraceparent, newSpanId, newTraceId, parseTraceparent, uuidOf } from '../../src/call/traceparent.js';
import type { Policy } from '../../src/call/policy.js';
import { FleetError } from '../../src/core/fleetError.js';
import type { Metadata } from '../../src/core/metadata.js';
import { marble } from '../../src/testing/marble.js';
import { seededRandom } from '../../src/testing/seededRandom.js';
import { drawnClient } from './drawnClient.js';

const down = new FleetError('UNAVAILABLE', 'down');
const incoming = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
/** Chance makes the ids here, and no waits. */
const steady = { retry: { initialBackoffMs: 2, jitter: 0 } };
const text = (metadata: Metadata | undefined, key: string) => metadata?.[key] as string | undefined;

describe('trace', () => {
  marble('each attempt bears the trace of its call, and an id of its own', (m) => {
    const answers = { x: m.cold('#', {}, down), y: m.cold('a|') };
    const client = drawnClient(m, answers, { policies: [trace()], random: seededRandom(7) });
    m.expectObservable(client.call(steady)).toBe('--a|');
    m.flush();
    const [first, second] = client.contexts.map(({ metadata }) => parseTraceparent(text(metadata, 'traceparent')!)!);
    expect(first!.traceId).toBe(second!.traceId);
    expect(first!.spanId).not.toBe(second!.spanId);
    expect(first!.sampled).toBe(true);
  });

  marble('a call continues the trace that it brings, and the rest of it passes as it is', (m) => {
    const client = drawnClient(m, { x: m.cold('a|') }, { policies: [trace()] });
    const metadata = { traceparent: incoming, tracestate: 'vendor=1', 'x-own': 'kept' };
    m.expectObservable(client.call({ metadata })).toBe('a|');
    m.flush();
    const sent = client.contexts[0]!.metadata!;
    expect(sent).toMatchObject({ tracestate: 'vendor=1', 'x-own': 'kept' });
    expect(parseTraceparent(text(sent, 'traceparent')!)).toMatchObject({
      traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
      sampled: true,
    });
    expect(text(sent, 'traceparent')).not.toBe(incoming);
  });

  marble('else that of what is being done now', (m) => {
    const client = drawnClient(m, { x: m.cold('a|') }, { policies: [trace({ current: () => incoming })] });
    m.expectObservable(client.call()).toBe('a|');
    m.flush();
    expect(text(client.contexts[0]!.metadata, 'traceparent')).toContain('4bf92f3577b34da6a3ce929d0e0e4736');
  });

  marble('what is no traceparent begins a new trace, and is not passed on', (m) => {
    const client = drawnClient(m, { x: m.cold('a|') }, { policies: [trace()] });
    m.expectObservable(client.call({ metadata: { traceparent: 'nonsense' } })).toBe('a|');
    m.flush();
    expect(parseTraceparent(text(client.contexts[0]!.metadata, 'traceparent')!)).toBeDefined();
  });

  marble('ids that are missing are made, once a call, and those that are there stay', (m) => {
    const policy = trace({ ids: ['x-trace-id', 'x-request-id'] });
    const answers = { x: m.cold('#', {}, down), y: m.cold('a|') };
    const client = drawnClient(m, answers, { policies: [policy], random: seededRandom(7) });
    m.expectObservable(client.call({ ...steady, metadata: { 'x-request-id': 'mine' } })).toBe('--a|');
    m.flush();
    const [first, second] = client.contexts.map(({ metadata }) => metadata);
    expect(first!['x-request-id']).toBe('mine');
    expect(first!['x-trace-id']).toBe(second!['x-trace-id']);
    // One id, in the two forms in which the logs of the nodes show it.
    expect(text(first, 'x-trace-id')!.replaceAll('-', '')).toBe(traceIdOf({ metadata: first })!);
    expect(text(first, 'x-trace-id')).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  });

  marble('who listens and says whose child an attempt is has the word; logs and ids follow that trace', (m) => {
    const spans = ['1111111111111111', '2222222222222222'].map((id) => incoming.replace('00f067aa0ba902b7', id));
    const answers = { x: m.cold('#', {}, down), y: m.cold('a|') };
    const logged: (string | undefined)[] = [];
    const spy: Policy = {
      name: 'spy',
      start: () => ({ end: (call) => logged.push(traceIdOf(call)), close: () => undefined }),
    };
    const client = drawnClient(m, answers, {
      policies: [trace({ ids: ['x-trace-id'] }), spy],
      listener(event) {
        if (event.type === 'attemptStarted') event.addHeader('traceparent', spans[event.attempt - 1]!);
      },
    });
    const metadata = { traceparent: incoming.replace('4bf92f', 'abcdef') };
    m.expectObservable(client.call({ ...steady, metadata })).toBe('--a|');
    m.flush();
    expect(client.contexts.map(({ metadata }) => text(metadata, 'traceparent'))).toEqual(spans);
    const ids = client.contexts.map(({ metadata }) => text(metadata, 'x-trace-id'));
    expect(ids).toEqual(Array(2).fill('4bf92f35-77b3-4da6-a3ce-929d0e0e4736'));
    expect(logged).toEqual(['4bf92f3577b34da6a3ce929d0e0e4736']);
  });

  marble('what a listener says that is no traceparent is as if nothing was said', (m) => {
    const client = drawnClient(
      m,
      { x: m.cold('a|') },
      {
        policies: [trace()],
        listener(event) {
          if (event.type === 'attemptStarted') event.addHeader('traceparent', 'nonsense');
        },
      },
    );
    m.expectObservable(client.call({ metadata: { traceparent: incoming } })).toBe('a|');
    m.flush();
    const sent = parseTraceparent(text(client.contexts[0]!.metadata, 'traceparent')!);
    expect(sent!.traceId).toBe('4bf92f3577b34da6a3ce929d0e0e4736');
  });

  marble('a part of the traces is recorded where that is enough', (m) => {
    const client = drawnClient(m, { x: m.cold('a|') }, { policies: [trace({ sampleRatio: 0 })] });
    m.expectObservable(client.call()).toBe('a|');
    m.flush();
    expect(text(client.contexts[0]!.metadata, 'traceparent')).toMatch(/-00$/);
  });

  it('refuses what makes no sense, by name', () => {
    expect(() => trace({ sampleRatio: 1.5 })).toThrow('trace.sampleRatio');
    expect(() => trace({ ids: ['X-Trace-Id'] })).toThrow('trace.ids');
  });
});

describe('traceparent', () => {
  it('is read by the rules of W3C', () => {
    expect(parseTraceparent(incoming)).toEqual({
      traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
      spanId: '00f067aa0ba902b7',
      sampled: true,
    });
    // A later version may say more; this one may not.
    expect(parseTraceparent(`cc${incoming.slice(2)}-more`)).toBeDefined();
    for (const wrong of [
      '',
      `${incoming}-more`,
      `ff${incoming.slice(2)}`,
      incoming.toUpperCase(),
      incoming.replace('4bf92f3577b34da6a3ce929d0e0e4736', '0'.repeat(32)),
      incoming.replace('00f067aa0ba902b7', '0'.repeat(16)),
      incoming.slice(1),
    ]) {
      expect(parseTraceparent(wrong)).toBeUndefined();
    }
  });

  it('is made so that everybody can read it, whatever chance gives', () => {
    for (const random of [() => 0, () => 0.9999999999, seededRandom(3)]) {
      const parent = { traceId: newTraceId(random), spanId: newSpanId(random), sampled: false };
      expect(parseTraceparent(formatTraceparent(parent))).toEqual(parent);
      expect(uuidOf(parent.traceId)).toMatch(/^.{8}-.{4}-4.{3}-[89ab].{3}-.{12}$/);
    }
  });
});
