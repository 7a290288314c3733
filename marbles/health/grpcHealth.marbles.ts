import { create } from '@bufbuild/protobuf';
import { map, NEVER } from 'rxjs';
import {
  HealthCheckResponseSchema,
  HealthCheckResponse_ServingStatus as Status,
} from '../../src/gen/grpc/health_pb.js';
import { grpcHealth, type GrpcHealthOptions } from '../../src/health/grpcHealth.js';
import { marble, type MarbleHelpers } from '../../src/testing/marble.js';
import { fakeChannel, type WireEvent } from '../../test/core/fakeChannel.js';

const status = (status: Status): WireEvent => ({ message: create(HealthCheckResponseSchema, { status }) });

const events: Record<string, WireEvent> = {
  s: status(Status.SERVING),
  n: status(Status.NOT_SERVING),
  k: status(Status.SERVICE_UNKNOWN),
  t: { end: {} },
  u: { end: { code: 'UNAVAILABLE', message: 'gone' } },
  x: { end: { code: 'UNIMPLEMENTED', message: 'no such method' } },
  f: { end: { code: 'NOT_FOUND', message: 'no such service' } },
};

/** One diagram for each call of `Watch`, one for each of `Check`; the last serves all that follow. */
const run = (
  { cold, scheduler }: MarbleHelpers,
  watches: string[],
  checks: string[] = [],
  options: GrpcHealthOptions = {},
) => {
  const wires = { Watch: watches.map((d) => cold(d, events)), Check: checks.map((d) => cold(d, events)) };
  const asked = { Watch: 0, Check: 0 };
  const channel = fakeChannel(({ method }) => {
    const name = method.path.split('/')[2] as 'Watch' | 'Check';
    return wires[name][Math.min(asked[name]++, wires[name].length - 1)] ?? NEVER;
  });
  const backoff = { initialBackoffMs: 3, backoffMultiplier: 2 };
  const check = grpcHealth({ backoff, scheduler, random: () => 0.5, ...options });
  const verdict$ = check({ node: {} as never, channel }).pipe(
    map(
      ({ serving, sure, reason }) => `${serving ? 'good' : 'bad'}${sure ? ', sure' : ''}${reason ? `: ${reason}` : ''}`,
    ),
  );
  return { verdict$, wires, channel };
};

const values = {
  s: 'good, sure',
  n: 'bad, sure: it says that the node is NOT_SERVING',
  g: 'good',
  h: 'good: it has no health service, so it counts as healthy',
  b: 'bad: it says that the node is NOT_SERVING',
  u: 'bad: UNAVAILABLE: gone',
};

describe('grpcHealth', () => {
  marble('the node tells when its health changes', (helpers) => {
    const { verdict$, wires } = run(helpers, ['-s--n-s-']);
    helpers.expectObservable(verdict$, '^-------!').toBe('-s--n-s-', values);
    helpers.expectSubscriptions(wires.Watch[0]!.subscriptions).toBe('^-------!');
  });

  marble('a watch that fails is a bad verdict, and is opened again with backoff', (helpers) => {
    const { verdict$, wires } = run(helpers, ['u', 'u', 's---u', '-s']);
    helpers.expectObservable(verdict$, '^-----------------!').toBe('u--u-----s---us', values);
    // 3 ms, then 6 ms; after a message, and some time, at once.
    helpers.expectSubscriptions(wires.Watch[0]!.subscriptions).toBe('(^!)');
    helpers.expectSubscriptions(wires.Watch[1]!.subscriptions).toBe('---(^!)');
    helpers.expectSubscriptions(wires.Watch[2]!.subscriptions).toBe('---------^---!');
    helpers.expectSubscriptions(wires.Watch[3]!.subscriptions).toBe('-------------^----!');
  });

  marble('a watch that the node ends without an error is opened again too', (helpers) => {
    const { verdict$ } = run(helpers, ['s-t', '-s']);
    helpers.expectObservable(verdict$, '^------!').toBe('s-e---s', {
      ...values,
      e: 'bad: UNAVAILABLE: the node ended the watch of its health',
    });
  });

  marble('a node without Watch is asked by Check, and the watch is not tried again', (helpers) => {
    const { verdict$, wires } = run(helpers, ['-x'], ['-st', '-nt']);
    helpers.expectObservable(verdict$).toBe('         ---(g|)', values);
    helpers.expectObservable(verdict$, '----^--').toBe('------(b|)', values);
    helpers.expectSubscriptions(wires.Watch[0]!.subscriptions).toBe('^!');
    helpers.expectSubscriptions(wires.Check[0]!.subscriptions).toBe('-^-!');
    helpers.expectSubscriptions(wires.Check[1]!.subscriptions).toBe('----^-!');
  });

  marble('a node that speaks and ends at once is not asked without a pause', (helpers) => {
    const { verdict$, wires } = run(helpers, ['(su)', '(su)', '--s'], [], { backoff: { initialBackoffMs: 5 } });
    helpers.expectObservable(verdict$, '^------------!').toBe('(su)-(su)---s', values);
    helpers.expectSubscriptions(wires.Watch[0]!.subscriptions).toBe('(^!)');
    helpers.expectSubscriptions(wires.Watch[1]!.subscriptions).toBe('-----(^!)');
    helpers.expectSubscriptions(wires.Watch[2]!.subscriptions).toBe('----------^--!');
  });

  marble('a node without either counts as healthy, says so, and is not asked again', (helpers) => {
    const { verdict$, wires } = run(helpers, ['-x'], ['-x']);
    helpers.expectObservable(verdict$, '^ 50ms !').toBe('--h', values);
    helpers.expectSubscriptions(wires.Watch[0]!.subscriptions).toBe('^!');
    helpers.expectSubscriptions(wires.Check[0]!.subscriptions).toBe('-^!');
  });

  marble('a service that the node does not know is not served', (helpers) => {
    const service = 'demo.Greeter';
    const watch = run(helpers, ['-k'], [], { service });
    helpers
      .expectObservable(watch.verdict$, '^--!')
      .toBe('-a', { a: 'bad, sure: it does not know service demo.Greeter' });
    const check = run(helpers, ['x'], ['-f'], { service });
    helpers.expectObservable(check.verdict$).toBe('-(a|)', { a: 'bad: it does not know service demo.Greeter' });
  });

  marble('unsubscribing cancels the watch, and the wait for the next', (helpers) => {
    const silent = run(helpers, ['-']);
    helpers.expectObservable(silent.verdict$, '^---!').toBe('-');
    helpers.expectSubscriptions(silent.wires.Watch[0]!.subscriptions).toBe('^---!');
    const failing = run(helpers, ['u', 's']);
    helpers.expectObservable(failing.verdict$, '^-!').toBe('u', values);
    helpers.expectSubscriptions(failing.wires.Watch[1]!.subscriptions).toBe([]);
  });
});
