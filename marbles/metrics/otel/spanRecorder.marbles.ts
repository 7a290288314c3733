import type { ReadableSpan } from '@opentelemetry/sdk-trace-base';
import { BehaviorSubject, catchError, EMPTY, Subject } from 'rxjs';
import type { FleetEvent } from '../../../src/client/fleetEvent.js';
import { FleetError } from '../../../src/core/fleetError.js';
import { NodeSet } from '../../../src/core/nodeSet.js';
import { openTelemetry } from '../../../src/metrics/otel.js';
import { marble, type MarbleHelpers } from '../../../src/testing/marble.js';
import { collected } from '../../../test/metrics/otel/collected.js';
import { drawnClient, node, type DrawnClientOptions } from '../../call/drawnClient.js';

/** A drawn client whose events become spans, under virtual time. */
function watched(
  m: MarbleHelpers,
  answers: Parameters<typeof drawnClient>[1],
  { known = Object.keys(answers), ...options }: DrawnClientOptions & { readonly known?: readonly string[] } = {},
) {
  const seen = collected();
  const events$ = new Subject<FleetEvent>();
  const nodes$ = new BehaviorSubject(NodeSet.of(known.map((id) => node(id))));
  const telemetry = openTelemetry(
    { service: 'drawn', nodes$, events$, snapshot: () => ({ methods: {} }) },
    { tracerProvider: seen.tracerProvider, meterProvider: false, scheduler: m.scheduler },
  );
  const client = drawnClient(m, answers, { ...options, listener: (event) => events$.next(event) });
  return { ...client, ...seen, telemetry, nodes$, events$ };
}

const ms = ([seconds, nanoseconds]: readonly [number, number]) => seconds * 1e3 + nanoseconds / 1e6;
/** `name start-end`, in milliseconds; calls before their attempts. */
const drawn = (spans: readonly ReadableSpan[]) =>
  [...spans]
    .sort((a, b) => ms(a.startTime) - ms(b.startTime) || b.name.localeCompare(a.name))
    .map(({ name, startTime, endTime }) => `${name} ${ms(startTime)}-${ms(endTime)}`);
const eventsOf = ({ events }: ReadableSpan) => events.map(({ name, time }) => `${name} ${ms(time)}`);
const down = new FleetError('UNAVAILABLE', 'down');

describe('spanRecorder', () => {
  marble('a call that is tried again is as long as both attempts and the wait between them', (m) => {
    const client = watched(m, { x: m.cold('-#', {}, down), y: m.cold('--b|') });
    m.expectObservable(client.call()).toBe('-----b|');
    m.flush();
    expect(drawn(client.spans())).toEqual(['Sent.call 0-6', 'Attempt.call 0-1', 'Attempt.call 3-6']);
    expect(eventsOf(client.span('Sent.'))).toEqual(['rxfleet.retry 1']);
    expect(eventsOf(client.spans('Attempt.')[1]!)).toEqual([
      ...['rxfleet.decision 3', 'Outbound message 3', 'Inbound message 5'],
    ]);
  });

  marble('attempts that never reached their node do not count among those before', (m) => {
    const unsent = new FleetError('UNAVAILABLE', 'down', { sent: false });
    const client = watched(m, { x: m.cold('-#', {}, unsent), y: m.cold('-#', {}, down), z: m.cold('-c|') });
    m.expectObservable(client.call()).toBe('-----c|');
    m.flush();
    const said = client
      .spans('Attempt.')
      .map(({ attributes }) => [attributes['previous-rpc-attempts'], attributes['transparent-retry']]);
    expect(said).toEqual([
      [0, false],
      [0, true],
      [1, false],
    ]);
  });

  marble('a copy of a slow call runs beside it, and what it outran ends with its answer', (m) => {
    const client = watched(m, { x: m.cold('---------a|'), y: m.cold('-b|') });
    m.expectObservable(client.call({ hedge: { delayMs: 3, maxAttempts: 2 } })).toBe('----b|');
    m.flush();
    expect(drawn(client.spans())).toEqual(['Sent.call 0-5', 'Attempt.call 0-4', 'Attempt.call 3-5']);
  });

  marble('a call that waits for a node says so once it has one', (m) => {
    const sets = m.cold('e-x', {
      e: NodeSet.of([node('x', { availability: 'connecting' })]),
      x: NodeSet.of([node('x')]),
    });
    const client = watched(m, { x: m.cold('-a|') }, { sets });
    m.expectObservable(client.call({ waitForReady: true }), '-^').toBe('---a|');
    m.flush();
    expect(drawn(client.spans())).toEqual(['Sent.call 1-4', 'Attempt.call 2-4']);
    expect(eventsOf(client.span('Sent.'))).toEqual([]);
    expect(eventsOf(client.span('Attempt.'))[0]).toBe('Delayed LB pick complete 2');
  });

  marble('where no node was known at all it was the resolution of names that delayed it', (m) => {
    const sets = m.cold('e-x', { e: NodeSet.of([]), x: NodeSet.of([node('x')]) });
    const client = watched(m, { x: m.cold('-a|') }, { sets, known: [] });
    m.expectObservable(client.call({ waitForReady: true }), '-^').toBe('---a|');
    m.flush();
    expect(eventsOf(client.span('Sent.'))).toEqual(['Delayed name resolution complete 2']);
  });

  marble('in a fleet of more nodes than the account is wanted for, there is none', (m) => {
    const many = Array.from({ length: 101 }, (_, i) => `n${i}`);
    const client = watched(m, { x: m.cold('-a|') }, { known: many });
    m.expectObservable(client.call()).toBe('-a|');
    m.flush();
    expect(eventsOf(client.span('Attempt.'))).toEqual(['Outbound message 0', 'Inbound message 1']);
  });

  marble('a call past its deadline ends then, with the attempt that was under way', (m) => {
    const client = watched(m, { x: m.cold('----------a|') });
    m.expectObservable(client.call({ deadlineMs: 4 }).pipe(catchError(() => EMPTY))).toBe('----|');
    m.flush();
    expect(drawn(client.spans())).toEqual(['Sent.call 0-4', 'Attempt.call 0-4']);
    expect(client.spans().map(({ attributes }) => attributes['error.type'])).toEqual([
      'DEADLINE_EXCEEDED',
      'DEADLINE_EXCEEDED',
    ]);
  });

  marble('calls that nobody watches any more end as spans, and go on as calls', (m) => {
    const client = watched(m, { x: m.cold('-----a|') });
    m.expectObservable(client.call()).toBe('-----a|');
    m.scheduler.schedule(() => client.telemetry.unsubscribe(), 2);
    m.flush();
    expect(drawn(client.spans())).toEqual(['Sent.call 0-2', 'Attempt.call 0-2']);
    expect(eventsOf(client.span('Sent.'))).toEqual(['rxfleet.unwatched 2']);
    expect(client.events$.observed).toBe(false);
    expect(client.nodes$.observed).toBe(false);
  });

  marble('a call that was under way before there was telemetry has no span', (m) => {
    const client = watched(m, { x: m.cold('--a|') });
    client.telemetry.unsubscribe();
    m.expectObservable(client.call()).toBe('--a|');
    m.scheduler.schedule(() => {
      openTelemetry(
        { service: 'drawn', nodes$: client.nodes$, events$: client.events$, snapshot: () => ({ methods: {} }) },
        { tracerProvider: client.tracerProvider, meterProvider: false },
      );
    }, 1);
    m.flush();
    expect(client.spans()).toEqual([]);
  });
});
