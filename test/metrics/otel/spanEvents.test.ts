/** What happens between and within attempts, as events of spans: their names and attributes, one by one. */

import type { Attributes } from '@opentelemetry/api';
import type { CallInfo, FleetEvent } from '../../../src/index.js';
import { openTelemetry } from '../../../src/metrics/otel.js';
import { node, scriptedFleet, type ScriptedFleet } from '../prometheus/scriptedFleet.js';
import { collected } from './collected.js';

/** A call with one attempt, in which something happens. */
function spansOf(happens: (world: ScriptedFleet, call: CallInfo) => void) {
  const world = scriptedFleet('greeter', [node('a')]);
  const seen = collected();
  openTelemetry(world.fleet, { tracerProvider: seen.tracerProvider, meterProvider: false });
  const call = world.begin();
  world.attempt(call, node('a'));
  happens(world, call);
  world.attemptEnds(call, node('a'), { status: 'ok', latencyMs: 1 } as never);
  world.end(call);
  return seen;
}

type Told = Partial<FleetEvent> & { readonly type: FleetEvent['type'] };
const cases: readonly (readonly [told: Told, name: string, attributes: Attributes])[] = [
  [
    { type: 'retryScheduled', attempt: 2, reason: 'transparent', delayMs: 250, after: 'UNAVAILABLE', pushback: true },
    'rxfleet.retry',
    {
      'rxfleet.retry.reason': 'transparent',
      'rxfleet.retry.delay': 0.25,
      'rxfleet.retry.pushback': true,
      'error.type': 'UNAVAILABLE',
    },
  ],
  [
    { type: 'retryRefused', reason: 'budget', code: 'INTERNAL' },
    'rxfleet.retry_refused',
    { 'rxfleet.retry.refusal_reason': 'budget', 'error.type': 'INTERNAL' },
  ],
  [
    { type: 'retryRefused', reason: 'budget', code: undefined },
    'rxfleet.retry_refused',
    { 'rxfleet.retry.refusal_reason': 'budget' },
  ],
  [
    { type: 'resumed', attempt: 2, after: 'UNAVAILABLE', messages: 7, continuity: 'text' },
    'rxfleet.resumed',
    { 'rxfleet.resume.continuity': 'text', 'rxfleet.resume.messages': 7, 'error.type': 'UNAVAILABLE' },
  ],
  [
    { type: 'limited', by: 'rateLimit', key: 'acme', result: 'waited', waitedMs: 30 },
    'rxfleet.limited',
    { 'rxfleet.limiter.name': 'rateLimit', 'rxfleet.limiter.result': 'waited', 'rxfleet.limiter.wait': 0.03 },
  ],
];

it.each(cases)('%j is the event %s of its call', (told, name, attributes) => {
  const { type, ...rest } = told;
  const seen = spansOf((world, call) => world.tell(type, { call, ...rest } as never));
  expect(seen.span('Sent.').events).toMatchObject([{ name, attributes }]);
  expect(seen.span('Sent.').events[0]!.attributes).toEqual(attributes);
});

it('a stall is an event of its attempt', () => {
  const seen = spansOf((world, call) =>
    world.tell('stalled', { call, attempt: 1, node: node('a'), silentMs: 3_000, usualMs: 20 }),
  );
  expect(seen.span('Attempt.').events).toMatchObject([
    { name: 'rxfleet.stalled', attributes: { 'rxfleet.stall.silence': 3, 'rxfleet.stall.usual_gap': 0.02 } },
  ]);
});

it('the account of a pick names some of the nodes, and counts all', () => {
  const world = scriptedFleet('greeter', [node('a')]);
  const seen = collected();
  openTelemetry(world.fleet, { tracerProvider: seen.tracerProvider, meterProvider: false });
  const call = world.begin();
  world.tell('decision', {
    ...{ call, attempt: 1, chosen: node('n0'), strategy: 'least_request' },
    candidates: Array.from({ length: 40 }, (_, i) => ({ node: `n${i}`, ...(i === 0 && { score: 2 }) })),
    leftOut: Array.from({ length: 20 }, (_, i) => ({ node: `o${i}`, obstacle: 'tried', reason: 'tried already' })),
  });
  world.attempt(call, node('n0'));
  world.attemptEnds(call, node('n0'), { status: 'ok', latencyMs: 1 } as never);
  world.end(call);
  const { attributes } = seen.span('Attempt.').events[0]!;
  const candidates = attributes!['rxfleet.decision.candidates'] as string[];
  const leftOut = attributes!['rxfleet.decision.left_out'] as string[];
  expect([candidates.length, candidates[0], candidates[15]]).toEqual([16, 'n0=2', 'n15']);
  expect([leftOut.length, leftOut[0]]).toEqual([16, 'o0: tried already']);
  expect(attributes).toMatchObject({
    'rxfleet.decision.strategy': 'least_request',
    'rxfleet.decision.chosen': 'n0',
    'rxfleet.decision.candidates.count': 40,
    'rxfleet.decision.left_out.count': 20,
  });
});
