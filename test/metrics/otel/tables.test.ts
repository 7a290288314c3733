/** Every name, kind, unit, attribute and bucket, and what is on by default, against the tables of the sources. */

import { InstrumentType, type MetricData } from '@opentelemetry/sdk-metrics';
import { merge, Subject } from 'rxjs';
import type { InferAnswer, InferenceEvent, InferenceInfo } from '../../../src/lumen/inferenceEvent.js';
import { openTelemetry, type OpenTelemetryOptions, type Watched } from '../../../src/metrics/otel.js';
import { node, scriptedFleet } from '../prometheus/scriptedFleet.js';
import { collected } from './collected.js';
import { ownMetrics, standardMetrics, type MetricRow } from './tables.js';

/** One of everything happens, and what is told of it. */
async function everything(options: OpenTelemetryOptions): Promise<ReadonlyMap<string, MetricData>> {
  const world = scriptedFleet();
  const inferences = new Subject<InferenceEvent>();
  const client: Watched = { ...world.fleet, events$: merge(world.fleet.events$, inferences) };
  const { meterProvider, metrics } = collected();
  const telemetry = openTelemetry(client, { meterProvider, tracerProvider: false, ...options });
  const [a, b] = [node('a', { zone: 'z', service: 's' }), node('b')];
  world.nodes(a, b);
  world.tell('connectionChanged', { node: 'a', from: 'CONNECTING', to: 'READY' });
  world.tell('connectFailed', { node: 'b', reason: 'refused' });
  world.tell('connectionChanged', { node: 'a', from: 'READY', to: 'IDLE' });
  const call = world.begin();
  const bytes = { sentBytes: 1, receivedBytes: 1 };
  world.attempt(call, a);
  world.attemptEnds(call, a, { status: 'failed', code: 'UNAVAILABLE', blame: 'network', latencyMs: 2 } as never, bytes);
  world.tell('retryScheduled', { call, attempt: 2, reason: 'retry', delayMs: 5 });
  world.tell('retryScheduled', { call, attempt: 2, reason: 'transparent', delayMs: 0 });
  world.attempt(call, b, { attempt: 2, reason: 'retry' });
  world.attempt(call, a, { attempt: 3, reason: 'hedge' });
  world.attemptEnds(call, b, { status: 'ok', latencyMs: 2 } as never, { attempt: 2, ...bytes });
  world.tell('resumed', { call, continuity: 'text' });
  world.tell('stalled', { call, node: b });
  world.tell('limited', { call, by: 'rateLimit', key: '', result: 'waited', waitedMs: 3 });
  world.tell('retryRefused', { call, reason: 'budget', code: 'UNAVAILABLE' });
  world.end(call, { code: 'UNAVAILABLE', firstMessageMs: 1 });
  world.tell('breakerChanged', { node: 'a', from: 'closed', to: 'open' });
  world.tell('ejected', { node: a, method: 'success_rate', enforced: true });
  const spared = { enforced: false, unenforcedReason: 'max_ejection_overflow' } as const;
  world.tell('ejected', { node: a, method: 'success_rate', ...spared });
  world.tell('discovery', { event: { source: 'static', type: 'skipped', message: '' } });
  const resourceType = 'envoy.config.listener.v3.Listener';
  const resource = { resourceType, authority: '#old', cacheState: 'acked', count: 3 } as const;
  const servers = [{ server: 'x:1', connected: true }];
  world.tell('loadWeightsUpdated', { weights: [{ node: a, state: 'usable', weight: 7 }], plain: true });
  world.tell('xds', { event: { type: 'state', client: 1, servers, resources: [resource] } });
  world.tell('xds', { event: { type: 'update', client: 1, server: 'x:1', resourceType, valid: 2, invalid: 1 } });

  const inference = { id: 1, tasks: ['text_generation'], model: 'small', meta: {}, streamed: true } as never;
  tellInference(inferences, inference, 'OK');
  tellInference(inferences, { ...(inference as InferenceInfo), id: 2 }, 'UNAVAILABLE');
  const found = await metrics();
  telemetry.unsubscribe();
  return found;
}

function tellInference(events: Subject<InferenceEvent>, inference: InferenceInfo, code: 'OK' | 'UNAVAILABLE'): void {
  const part = { text: 'x', soFar: 'x', node: 'a', meta: {}, model: 'small-1', continuity: 'exact', final: true };
  const answer = { ...part, inputTokens: 3, outputTokens: 2 } as unknown as InferAnswer;
  events.next({ type: 'inferenceStarted', at: 0, inference });
  events.next({ type: 'inferenceAnswered', at: 0, inference, answer, sinceMs: 10 });
  events.next({ type: 'inferenceAnswered', at: 0, inference, answer, sinceMs: 15 });
  events.next({ type: 'inferenceEnded', at: 0, inference, code, error: undefined, latencyMs: 20, answers: 2 });
}

const types: Readonly<Record<InstrumentType, MetricRow['type']>> = {
  [InstrumentType.COUNTER]: 'counter',
  [InstrumentType.OBSERVABLE_COUNTER]: 'counter',
  [InstrumentType.UP_DOWN_COUNTER]: 'updown counter',
  [InstrumentType.OBSERVABLE_UP_DOWN_COUNTER]: 'updown counter',
  [InstrumentType.GAUGE]: 'gauge',
  [InstrumentType.OBSERVABLE_GAUGE]: 'gauge',
  [InstrumentType.HISTOGRAM]: 'histogram',
};

const boundsOf = ({ dataPoints }: MetricData) =>
  (dataPoints[0]?.value as { buckets?: { boundaries: number[] } }).buckets?.boundaries;
const allAttributes = {
  optionalAttributes: [
    ...(['grpc.lb.locality', 'grpc.lb.backend_service', 'grpc.disconnect_error'] as const),
    ...(['rxfleet.node.id', 'server.address'] as const),
  ],
} as const;

describe('by default', () => {
  it('there are the metrics that the sources have on, and no others', async () => {
    const on = [...standardMetrics, ...ownMetrics].filter(({ onByDefault }) => onByDefault).map(({ name }) => name);
    expect([...(await everything({})).keys()].sort()).toEqual([...on].sort());
  });

  it('no series has an attribute that is optional, but what names the model and the error', async () => {
    const found = await everything({ enableMetrics: ['*'] });
    const named = /^gen_ai\.re|^error\.type$/;
    for (const { name, required, optional } of [...standardMetrics, ...ownMetrics]) {
      const allowed = [...required, ...optional.filter((attribute) => named.test(attribute))];
      for (const { attributes } of found.get(name)!.dataPoints) {
        expect(
          Object.keys(attributes).filter((key) => !allowed.includes(key)),
          name,
        ).toEqual([]);
      }
    }
  });
});

describe('with all of them', () => {
  it('there are exactly those of the tables', async () => {
    const all = [...standardMetrics, ...ownMetrics].map(({ name }) => name);
    expect([...(await everything({ enableMetrics: ['*'] })).keys()].sort()).toEqual([...all].sort());
  });

  it.each([...standardMetrics, ...ownMetrics])('$source $name is as its table says', async (row) => {
    const metric = (await everything({ enableMetrics: ['*'], ...allAttributes })).get(row.name)!;
    expect(types[(metric.descriptor as unknown as { type: InstrumentType }).type]).toBe(row.type);
    expect(metric.descriptor.unit).toBe(row.unit);
    expect(metric.descriptor.description).toMatch(/^[A-Z1].*\.$/);
    expect(boundsOf(metric)).toEqual(row.buckets);
    const keys = metric.dataPoints.map(({ attributes }) => Object.keys(attributes));
    for (const own of keys) expect(own).toEqual(expect.arrayContaining([...row.required]));
    const seen = new Set(keys.flat().filter((key) => !row.required.includes(key)));
    expect([...seen].sort()).toEqual([...row.optional].sort());
  });

  it('pick_first counts by its old names what grpc.subchannel counts, so that old dashboards go on', async () => {
    const found = await everything({ enableMetrics: ['grpc.*'] });
    const values = (name: string) => found.get(name)!.dataPoints.map(({ value }) => value);
    for (const what of ['connection_attempts_succeeded', 'connection_attempts_failed', 'disconnections']) {
      expect(values(`grpc.lb.pick_first.${what}`), what).toEqual([1]);
      expect(values(`grpc.subchannel.${what}`), what).toEqual([1]);
    }
  });

  it('but those that are disabled, in whole families or by name', async () => {
    const found = await everything({ enableMetrics: ['grpc.*'], disableMetrics: ['gen_ai.*', 'rxfleet.client.panic'] });
    expect([...found.keys()].filter((name) => name.startsWith('gen_ai.'))).toEqual([]);
    expect(found.has('rxfleet.client.panic')).toBe(false);
    expect(found.has('rxfleet.client.nodes')).toBe(true);
    expect(found.has('grpc.subchannel.open_connections')).toBe(true);
  });
});
