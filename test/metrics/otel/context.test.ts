/** Whose child a call is, and what of its context goes over the wire. */

import {
  context,
  propagation,
  ROOT_CONTEXT,
  trace as traces,
  type Span,
  type TextMapPropagator,
} from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { CompositePropagator, W3CBaggagePropagator, W3CTraceContextPropagator } from '@opentelemetry/core';
import { AlwaysOffSampler } from '@opentelemetry/sdk-trace-base';
import { firstValueFrom, type Subscription } from 'rxjs';
import { openTelemetry, type OpenTelemetryOptions } from '../../../src/metrics/otel.js';
import { startTraffic, type Traffic } from '../prometheus/traffic.js';
import { collected, type Collected } from './collected.js';

let traffic: Traffic;
let seen: Collected;
let telemetry: Subscription;
const manager = new AsyncLocalStorageContextManager();

beforeAll(() => void context.setGlobalContextManager(manager.enable()));
afterAll(() => {
  context.disable();
  propagation.disable();
});
beforeEach(async () => {
  traffic = await startTraffic({ eject: [] });
  traffic.servers[2]!.faults({});
  seen = collected();
});
afterEach(async () => {
  telemetry.unsubscribe();
  propagation.disable();
  await traffic.close();
});

function begin(options: OpenTelemetryOptions = {}): void {
  telemetry = openTelemetry(traffic.fleet, { meterProvider: false, tracerProvider: seen.tracerProvider, ...options });
}
/** Does something within a span of the user's own. */
function within<T>(name: string, work: (span: Span) => T): T {
  const span = seen.tracerProvider.getTracer('user').startSpan(name, {}, ROOT_CONTEXT);
  return context.with(traces.setSpan(ROOT_CONTEXT, span), () => work(span));
}
const greet = (headers?: Record<string, string>) =>
  traffic.greeter.sayHello({ name: 'Ada' }, headers && { metadata: headers });
const asked = () => traffic.servers.find(({ calls }) => calls > 0)!;

const remote = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16) };
const traceparent = `00-${remote.traceId}-${remote.spanId}-01`;

describe('the parent of a call', () => {
  it('is the span that is active where it is subscribed to', async () => {
    begin();
    const span = await within('user', async (own) => {
      await firstValueFrom(greet());
      return own;
    });
    expect(seen.span('Sent.').parentSpanContext?.spanId).toBe(span.spanContext().spanId);
  });

  it('is not that where it was made: a call is cold', async () => {
    begin();
    const call = within('making', () => greet());
    const span = await within('subscribing', async (own) => {
      await Promise.resolve();
      await firstValueFrom(call);
      return own;
    });
    expect(seen.span('Sent.').parentSpanContext?.spanId).toBe(span.spanContext().spanId);
  });

  it('is not mixed up where many run at once', async () => {
    begin();
    for (const server of traffic.servers) server.faults({ latencyMs: 10 });
    const spans = await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        within(`user ${i}`, async (own) => {
          await Promise.resolve();
          await firstValueFrom(greet());
          return own.spanContext();
        }),
      ),
    );
    const parents = seen.spans('Sent.').map(({ parentSpanContext }) => parentSpanContext!.spanId);
    expect(new Set(parents)).toEqual(new Set(spans.map(({ spanId }) => spanId)));
    for (const attempt of seen.spans('Attempt.')) {
      const call = seen.spans('Sent.').find((span) => span.spanContext().spanId === attempt.parentSpanContext!.spanId)!;
      expect(attempt.spanContext().traceId).toBe(call.spanContext().traceId);
    }
  });

  it('is what its own header says, which is said of this one call', async () => {
    begin();
    await within('user', () => firstValueFrom(greet({ traceparent, tracestate: 'vendor=1' })));
    const call = seen.span('Sent.');
    expect(call.parentSpanContext).toMatchObject({ ...remote, isRemote: true });
    expect(asked().lastHeader('traceparent')).toBe(
      `00-${remote.traceId}-${seen.span('Attempt.').spanContext().spanId}-01`,
    );
    expect(asked().lastHeader('tracestate')).toBe('vendor=1');
  });

  it('is not what is no traceparent', async () => {
    begin();
    await firstValueFrom(greet({ traceparent: 'nonsense' }));
    expect(seen.span('Sent.').parentSpanContext).toBeUndefined();
    expect(asked().lastHeader('traceparent')).toContain(seen.span('Attempt.').spanContext().spanId);
  });
});

describe('what goes over the wire', () => {
  it('is what the global propagator says, baggage of the active context as well', async () => {
    const propagators = [new W3CTraceContextPropagator(), new W3CBaggagePropagator()];
    propagation.setGlobalPropagator(new CompositePropagator({ propagators }));
    begin();
    const baggage = propagation.createBaggage({ tenant: { value: 'acme' } });
    await context.with(propagation.setBaggage(ROOT_CONTEXT, baggage), () => firstValueFrom(greet()));
    expect(asked().lastHeader('baggage')).toBe('tenant=acme');
    expect(asked().lastHeader('traceparent')).toContain(seen.span('Attempt.').spanContext().spanId);
  });

  it('is in the words of a propagator that is given, be they binary', async () => {
    const bytes = Buffer.from('context').toString('base64');
    let extracted: unknown;
    const own: TextMapPropagator = {
      fields: () => ['X-Own', 'own-bin'],
      inject(_, carrier, setter) {
        setter.set(carrier, 'X-Own', 'yes');
        setter.set(carrier, 'own-bin', bytes);
      },
      extract(ambient, carrier, getter) {
        extracted = [getter.keys(carrier), getter.get(carrier, 'Own-bin'), getter.get(carrier, 'x-text')];
        return ambient;
      },
    };
    begin({ propagator: own });
    const metadata = { 'own-bin': Buffer.from('before'), 'x-text': 'text' };
    await firstValueFrom(traffic.greeter.sayHello({ name: 'Ada' }, { metadata }));
    expect(asked().lastHeader('x-own')).toBe('yes');
    expect(asked().lastHeader('traceparent')).toBeUndefined();
    expect(extracted).toEqual([['own-bin', 'x-text'], Buffer.from('before').toString('base64'), 'text']);
  });

  it('is nothing where that was asked for', async () => {
    begin({ propagator: false });
    await firstValueFrom(greet({ traceparent }));
    expect(seen.span('Sent.').parentSpanContext).toBeUndefined();
    expect(asked().lastHeader('traceparent')).toBe(traceparent);
  });

  it('of a call that is not sampled is its trace, and that it is not', async () => {
    const off = collected({ sampler: new AlwaysOffSampler() });
    begin({ tracerProvider: off.tracerProvider });
    await firstValueFrom(greet({ traceparent }));
    expect(off.spans()).toEqual([]);
    expect(asked().lastHeader('traceparent')).toMatch(new RegExp(`^00-${remote.traceId}-[0-9a-f]{16}-00$`));
  });

  it('without an SDK is what the call brought, untouched', async () => {
    begin({ tracerProvider: undefined });
    await firstValueFrom(greet({ traceparent }));
    expect(asked().lastHeader('traceparent')).toBe(traceparent);
    await firstValueFrom(greet());
    expect(traffic.servers.map((server) => server.lastHeader('traceparent')).filter(Boolean)).toEqual([traceparent]);
  });
});
