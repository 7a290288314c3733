import { create } from '@bufbuild/protobuf';
import { Subject } from 'rxjs';
import type { Demand } from '../../src/core/demand.js';
import { FleetError } from '../../src/core/fleetError.js';
import { methodOf } from '../../src/core/method.js';
import { rpc, type RpcContext } from '../../src/core/rpc.js';
import { Greeter, HelloRequestSchema } from '../../src/gen/demo/greeter_pb.js';
import { marble, type MarbleHelpers } from '../../src/testing/marble.js';
import { fakeChannel, type WireEvent } from '../../test/core/fakeChannel.js';

const events: Record<string, WireEvent> = {
  h: { headers: { 'x-node': 'a' } },
  m: { message: 'm' },
  n: { message: 'n' },
  t: { end: {} },
  u: { end: { code: 'UNAVAILABLE', message: 'gone', sent: false } },
};
const unavailable = new FleetError('UNAVAILABLE', 'gone', { sent: false });

const call = ({ cold }: MarbleHelpers, kind: 'sayHello' | 'lotsOfReplies', diagram: string, context?: RpcContext) => {
  const wire$ = cold(diagram, events);
  const method = methodOf(Greeter.method[kind]);
  return {
    wire$,
    rpc$: rpc(
      fakeChannel(() => wire$),
      method as never,
      create(HelloRequestSchema),
      context,
    ),
  };
};

describe('rpc', () => {
  marble('messages come as they are read, and OK completes', (helpers) => {
    const { rpc$ } = call(helpers, 'lotsOfReplies', '-h-m-n-t');
    helpers.expectObservable(rpc$).toBe('            ---m-n-|');
  });

  marble('a stream without messages completes empty', (helpers) => {
    helpers.expectObservable(call(helpers, 'lotsOfReplies', '-h-t').rpc$).toBe('---|');
  });

  marble('a node that never answers leaves the call open', (helpers) => {
    helpers.expectObservable(call(helpers, 'lotsOfReplies', '-').rpc$, '^------!').toBe('-');
  });

  marble('a status other than OK is the error', (helpers) => {
    const { rpc$ } = call(helpers, 'lotsOfReplies', '-h-m-u');
    helpers.expectObservable(rpc$).toBe('            ---m-#', undefined, unavailable);
  });

  marble('the one answer of a unary call comes with its status', (helpers) => {
    helpers.expectObservable(call(helpers, 'sayHello', '-h-m-t').rpc$).toBe('-----(m|)');
  });

  marble('an answer whose status is bad is no answer', (helpers) => {
    helpers.expectObservable(call(helpers, 'sayHello', '-h-m-u').rpc$).toBe('-----#', undefined, unavailable);
  });

  marble('a unary call without an answer is an error', (helpers) => {
    const error = new FleetError('INTERNAL', '/demo.Greeter/SayHello ended as OK but gave no message');
    helpers.expectObservable(call(helpers, 'sayHello', '-h-t').rpc$).toBe('---#', undefined, error);
  });

  marble('a unary call with two answers is an error, and is cancelled', (helpers) => {
    const { rpc$, wire$ } = call(helpers, 'sayHello', '-h-m-n-t');
    const error = new FleetError('INTERNAL', '/demo.Greeter/SayHello gave more than one message');
    helpers.expectObservable(rpc$).toBe('-----#', undefined, error);
    helpers.expectSubscriptions(wire$.subscriptions).toBe('^----!');
  });

  marble('unsubscribing cancels on the wire at once', (helpers) => {
    const { rpc$, wire$ } = call(helpers, 'lotsOfReplies', '-h-m-n-t');
    helpers.expectObservable(rpc$, '^---!').toBe('         ---m');
    helpers.expectSubscriptions(wire$.subscriptions).toBe('         ^---!');
  });

  marble('cold: each subscription is a call of its own', (helpers) => {
    const { rpc$, wire$ } = call(helpers, 'sayHello', '-m-t');
    helpers.expectObservable(rpc$).toBe('          ---(m|)');
    helpers.expectObservable(rpc$, '--^------').toBe('-----(m|)');
    helpers.expectSubscriptions(wire$.subscriptions).toBe(['^--!', '--^--!']);
  });

  marble('with a demand, the next message is read only when it is wanted', (helpers) => {
    const wanted$ = new Subject<void>();
    let ready = true;
    const demand: Demand = {
      get ready() {
        return ready;
      },
      whenReady: (callback) => {
        const subscription = wanted$.subscribe(() => {
          subscription.unsubscribe();
          callback();
        });
      },
    };
    helpers.hot('     ---------x---y').subscribe(() => wanted$.next());
    const { rpc$ } = call(helpers, 'lotsOfReplies', '-mnmt', { demand });
    // The first is wanted at once; from then on the consumer is busy until it says otherwise.
    helpers.cold('    -x').subscribe(() => (ready = false));
    helpers.expectObservable(rpc$).toBe('-m-------n---(m|)');
  });
});
