import type { Observable } from 'rxjs';
import { Call, type CallOptions } from '../../src/call/call.js';
import { deadline } from '../../src/call/deadline.js';
import type { Handler } from '../../src/call/middleware.js';
import { deadlineWheel } from '../../src/core/deadlineWheel.js';
import { FleetError } from '../../src/core/fleetError.js';
import { marble, type MarbleHelpers } from '../../src/testing/marble.js';

const callWith = (options: CallOptions) =>
  new Call<unknown, string>({
    name: '/demo.Greeter/SayHello',
    run: () => null as never,
    options,
    single: false,
    idempotent: true,
    startedAt: 0,
    demand: undefined,
  });

/** The deadline around a call that answers so. */
const within = ({ scheduler }: MarbleHelpers, answers: Observable<string>) =>
  deadline(deadlineWheel(scheduler))((() => answers) as unknown as Handler<unknown>);

const tooLate = new FleetError(
  'DEADLINE_EXCEEDED',
  '/demo.Greeter/SayHello had no answer within 5 ms: no node was ready to take it',
);

describe('deadline', () => {
  marble('a call that never answers ends at its deadline, and what ran is cancelled', (m) => {
    const inner = m.cold('-');
    const call = within(m, inner);
    m.expectObservable(call(callWith({ deadlineMs: 5 }))).toBe('-----#', {}, tooLate);
    m.expectSubscriptions(inner.subscriptions).toBe('^----!');
  });

  marble('a stream that is still speaking ends at its deadline', (m) => {
    const call = within(m, m.cold('a-b-c-d-e'));
    m.expectObservable(call(callWith({ deadlineMs: 5 }))).toBe('a-b-c#', undefined, tooLate);
  });

  marble('a call that ends in time is not disturbed, nor told later', (m) => {
    const call = within(m, m.cold('--a|'));
    m.expectObservable(call(callWith({ deadlineMs: 5 }))).toBe('--a|');
  });

  marble('calls without a deadline may last', (m) => {
    const call = within(m, m.cold('20ms a|'));
    m.expectObservable(call(callWith({}))).toBe('20ms a|');
  });

  marble('two calls with deadlines of their own end each in its time', (m) => {
    const call = within(m, m.cold('-'));
    m.expectObservable(call(callWith({ deadlineMs: 5 }))).toBe('-----#', {}, tooLate);
    m.expectObservable(call(callWith({ deadlineMs: 2 }))).toBe(
      '--#',
      {},
      new FleetError('DEADLINE_EXCEEDED', tooLate.message.replace('5', '2')),
    );
  });

  marble('unsubscribing early leaves no timer that fires later', (m) => {
    const inner = m.cold('-');
    const call = within(m, inner);
    m.expectObservable(call(callWith({ deadlineMs: 5 })), '^-!').toBe('-');
    m.expectSubscriptions(inner.subscriptions).toBe('^-!');
  });
});
