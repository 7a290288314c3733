import { EMPTY, map, NEVER, repeat } from 'rxjs';
import type { Middleware } from '../../src/call/middleware.js';
import { FleetError } from '../../src/core/fleetError.js';
import { marble } from '../../src/testing/marble.js';
import { drawnClient, failedAt } from './drawnClient.js';

const cut = new FleetError('DEADLINE_EXCEEDED', 'no answer within the deadline');
/** The error of a call whose attempt on x was cut short. */
const tooLate = (ms: number) => {
  const { attempts } = failedAt(cut, ['x', ms]);
  return new FleetError('DEADLINE_EXCEEDED', `call had no answer within ${ms} ms`, { attempts });
};
const neverCame = new FleetError('DEADLINE_EXCEEDED', 'call had no answer within 5 ms: it never came to a node', {
  sent: false,
});

describe('the deadline of a call', () => {
  marble('one that never answers ends there, and what ran is cancelled', (m) => {
    const inner = m.cold('-');
    m.expectObservable(drawnClient(m, { x: inner }).call({ deadlineMs: 5 })).toBe('-----#', {}, tooLate(5));
    m.expectSubscriptions(inner.subscriptions).toBe('^----!');
  });

  marble('a stream that is still speaking ends there', (m) => {
    const { call } = drawnClient(m, { x: m.cold('a-b-c-d-e') });
    m.expectObservable(call({ deadlineMs: 5 })).toBe('a-b-c#', undefined, tooLate(5));
  });

  marble('a call that ends in time is not disturbed, nor told later', (m) => {
    m.expectObservable(drawnClient(m, { x: m.cold('--a|') }).call({ deadlineMs: 5 })).toBe('--a|');
  });

  marble('calls without a deadline may last', (m) => {
    m.expectObservable(drawnClient(m, { x: m.cold('20ms a|') }).call()).toBe('20ms a|');
  });

  marble('two calls with deadlines of their own end each in its time', (m) => {
    const { call } = drawnClient(m, { x: m.cold('-') });
    m.expectObservable(call({ deadlineMs: 5 })).toBe('-----#', {}, tooLate(5));
    m.expectObservable(call({ deadlineMs: 2 })).toBe('--#', {}, tooLate(2));
  });

  marble('unsubscribing early leaves no timer that fires later', (m) => {
    const inner = m.cold('-');
    m.expectObservable(drawnClient(m, { x: inner }).call({ deadlineMs: 5 }), '^-!').toBe('-');
    m.expectSubscriptions(inner.subscriptions).toBe('^-!');
  });

  marble('a middleware that never calls on ends there, too', (m) => {
    const asleep: Middleware<string> = () => () => NEVER;
    const client = drawnClient(m, { x: m.cold('a|') }, { use: [asleep] });
    m.expectObservable(client.call({ deadlineMs: 5 })).toBe('-----#', {}, neverCame);
    m.flush();
    expect(client.asked).toEqual([]);
  });
});

describe('a middleware', () => {
  marble('that throws fails its call, not the process', (m) => {
    const broken = new TypeError('x is undefined');
    const throwing: Middleware<string> = () => () => {
      throw broken;
    };
    const { call } = drawnClient(m, { x: m.cold('a|') }, { use: [throwing] });
    m.expectObservable(call()).toBe('#', {}, FleetError.from(broken));
  });

  marble('that throws amid the answers fails the call there, and cancels it on the node', (m) => {
    const broken = new TypeError('x is undefined');
    const throwing: Middleware<string> = (next) => (call) =>
      next(call).pipe(
        map((answer) => {
          if ((answer as string) === 'b') throw broken;
          return answer;
        }),
      );
    const answers = m.cold('a-b-c|');
    const { call } = drawnClient(m, { x: answers }, { use: [throwing] });
    m.expectObservable(call()).toBe('a-#', undefined, FleetError.from(broken));
    m.expectSubscriptions(answers.subscriptions).toBe('^-!');
  });

  marble('that gives no answer where there must be one lets the call end empty', (m) => {
    const { call } = drawnClient(m, { x: m.cold('(a|)') }, { use: [() => () => EMPTY] });
    m.expectObservable(call({ single: true })).toBe('|');
  });

  marble('that calls on twice does not give two answers to a call that has one', (m) => {
    const twice: Middleware<string> = (next) => (call) => next(call).pipe(repeat(2));
    const client = drawnClient(m, { x: m.cold('-(a|)') }, { use: [twice] });
    const error = new FleetError('INTERNAL', 'call gave more than one answer: a middleware repeats it');
    m.expectObservable(client.call({ single: true })).toBe('-a#', undefined, error);
    m.flush();
    expect(client.leases.open).toBe(0);
  });

  marble('that calls on twice is one call of its user, and two on the nodes', (m) => {
    const twice: Middleware<string> = (next) => (call) => next(call).pipe(repeat(2));
    const client = drawnClient(m, { x: m.cold('-a|') }, { use: [twice] });
    m.expectObservable(client.call()).toBe('-a-a|');
    m.flush();
    expect(client.ended).toHaveLength(2);
    expect(client.meter.of('call').succeeded).toBe(1);
  });

  marble('stands outside of those after it, and sees one call however many attempts there are', (m) => {
    const seen: string[] = [];
    const named =
      (name: string): Middleware<string> =>
      (next) =>
      (call) => {
        seen.push(name);
        return next(call);
      };
    const down = new FleetError('UNAVAILABLE', 'down');
    const answers = { x: m.cold('#', {}, down), y: m.cold('a|') };
    const { call } = drawnClient(m, answers, { use: [named('outer'), named('inner')] });
    m.expectObservable(call()).toBe('--a|');
    m.flush();
    expect(seen).toEqual(['outer', 'inner']);
  });
});

describe('the account of a call', () => {
  marble('counts it once, as its user sees it', (m) => {
    const down = new FleetError('UNAVAILABLE', 'down');
    const client = drawnClient(m, { x: [m.cold('#', {}, down), m.cold('-a|')], y: m.cold('--b|') });
    m.expectObservable(client.call()).toBe('----b|');
    m.expectObservable(client.call(), '---^!').toBe('----');
    m.flush();
    const { succeeded, failed, cancelled, retries, failovers, inFlight } = client.meter.of('call');
    expect({ succeeded, failed, cancelled, retries, failovers, inFlight }).toEqual({
      succeeded: 1,
      failed: 0,
      cancelled: 1,
      retries: 1,
      failovers: 1,
      inFlight: 0,
    });
  });
});
