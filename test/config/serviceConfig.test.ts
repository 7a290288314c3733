/** The service config of gRPC: what it says is done, and what would have no effect is an error. */

import { lastValueFrom } from 'rxjs';
import { serviceConfig } from '../../src/config/index.js';
import { Greeter } from '../../src/gen/demo/greeter_pb.js';
import { createClient, createFleet, FleetError, staticNodes, type Fleet } from '../../src/index.js';
import { grpcTransport } from '../../src/transport/grpc.js';
import { startGreeter, type Greeter as Server, type GreeterFaults } from '../support/greeter.js';

const retryPolicy = {
  maxAttempts: 4,
  initialBackoff: '0.1s',
  maxBackoff: '1s',
  backoffMultiplier: 2,
  retryableStatusCodes: ['UNAVAILABLE', 'aborted', 4],
};

const methodConfig = (more: object) => ({ methodConfig: [{ name: [{}], ...more }] });

describe('serviceConfig', () => {
  it('reads the methods, each by its most specific name', () => {
    const { methods } = serviceConfig({
      methodConfig: [
        { name: [{ service: 'demo.Greeter', method: 'SayHello' }, { service: 'demo.Other' }], timeout: '1.5s' },
        { name: [{}], waitForReady: true, maxRequestMessageBytes: 1_000, maxResponseMessageBytes: '0' },
      ],
    });
    const once = { retry: { maxAttempts: 1 } };
    expect(methods).toEqual({
      '/demo.Greeter/SayHello': { longestDeadlineMs: 1_500, ...once },
      '/demo.Other/*': { longestDeadlineMs: 1_500, ...once },
      '*': { waitForReady: true, maxRequestBytes: 1_000, maxResponseBytes: 0, ...once },
    });
  });

  it('takes null and "" for what is not there', () => {
    const { methods } = serviceConfig({
      methodConfig: [
        { name: [{ service: 's', method: null }], timeout: null },
        { name: [{ service: '', method: '' }] },
      ],
    });
    expect(Object.keys(methods!)).toEqual(['/s/*', '*']);
  });

  it('reads retry policies: what the service says may be retried is, also where the proto does not say so', () => {
    const policy = { ...retryPolicy, maxAttempts: 9, perAttemptRecvTimeout: '0.25s' };
    expect(serviceConfig(methodConfig({ retryPolicy: policy })).methods!['*']).toEqual({
      failover: true,
      firstResponseTimeoutMs: 250,
      retry: {
        maxAttempts: 5,
        initialBackoffMs: 100,
        maxBackoffMs: 1_000,
        backoffMultiplier: 2,
        retryableCodes: ['UNAVAILABLE', 'ABORTED', 'DEADLINE_EXCEEDED'],
      },
    });
  });

  it('reads hedging policies, with all copies at once where no delay is given', () => {
    const hedgingPolicy = { maxAttempts: 3, hedgingDelay: '0.05s', nonFatalStatusCodes: ['UNAVAILABLE'] };
    expect(serviceConfig(methodConfig({ hedgingPolicy })).methods!['*']).toEqual({
      failover: true,
      hedge: { maxAttempts: 3, delayMs: 50, nonFatalCodes: ['UNAVAILABLE'] },
      retry: { maxAttempts: 1 },
    });
    const bare = serviceConfig(methodConfig({ hedgingPolicy: { maxAttempts: 2 } })).methods!['*'];
    expect(bare?.hedge).toEqual({ maxAttempts: 2, delayMs: 0, nonFatalCodes: [] });
  });

  it('reads the throttle, and whose health is asked for', () => {
    expect(serviceConfig({ retryThrottling: { maxTokens: 10, tokenRatio: 0.1 } })).toEqual({
      retryThrottling: { maxTokens: 10, tokenRatio: 0.1 },
    });
    expect(serviceConfig({ healthCheckConfig: { serviceName: '' } }).health).toBeTypeOf('function');
    expect(serviceConfig({})).toEqual({});
  });

  it('reads text as it stands in a file', () => {
    expect(serviceConfig('{"loadBalancingPolicy": "ROUND_ROBIN"}').balancer?.traits?.name).toBe('round_robin');
    expect(() => serviceConfig('{')).toThrow(/serviceConfig is no JSON/);
  });

  describe('load balancing', () => {
    it('takes the first policy of the list that is known here', () => {
      const loadBalancingConfig = [
        { rls_experimental: {} },
        { pick_first: { shuffleAddressList: true } },
        { round_robin: {} },
      ];
      expect(serviceConfig({ loadBalancingConfig }).balancer?.traits?.name).toBe('pick_first');
    });

    it.each([
      [
        'a list in which nothing is known',
        [{ grpclb: {} }, { rls: {} }],
        /loadBalancingConfig names no policy.*grpclb, rls.*round_robin/,
      ],
      ['an empty list', [], /loadBalancingConfig names no policy/],
      ['two policies in one place', [{ round_robin: {}, pick_first: {} }], /loadBalancingConfig\[0\]/],
      [
        'a setting that the policy does not have',
        [{ round_robin: { shuffle: 1 } }],
        /\[0\]\.round_robin\.shuffle has no effect/,
      ],
      [
        'a setting that is none',
        [{ pick_first: { shuffleAddressList: 'yes' } }],
        /shuffleAddressList must be true or false/,
      ],
    ])('refuses %s', (_, loadBalancingConfig, message) => {
      expect(() => serviceConfig({ loadBalancingConfig })).toThrow(message);
    });
  });

  it.each([
    [
      'a field that nobody knows, with what may have been meant',
      { methodConfigs: [] },
      /serviceConfig\.methodConfigs has no effect.*"methodConfig"/,
    ],
    ['what is not done here', { connectionScaling: {} }, /connectionScaling has no effect: a node has one connection/],
    [
      'two ways to say one thing',
      { loadBalancingPolicy: 'round_robin', loadBalancingConfig: [{ round_robin: {} }] },
      /loadBalancingPolicy has no effect/,
    ],
    ['an old policy that is not known', { loadBalancingPolicy: 'magic' }, /loadBalancingPolicy names no policy/],
    [
      'a config of no method',
      { methodConfig: [{ timeout: '1s' }] },
      /methodConfig\[0\] has no effect: it names no method/,
    ],
    ['a method without a service', { methodConfig: [{ name: [{ method: 'M' }] }] }, /name\[0\]\.service must be given/],
    [
      'a name that is there twice',
      { methodConfig: [{ name: [{}] }, { name: [{ service: '' }] }] },
      /methodConfig\[1\]\.name\[0\]: \* is named twice/,
    ],
    [
      'a field of a method that nobody knows',
      methodConfig({ timeoutMs: 1 }),
      /methodConfig\[0\]\.timeoutMs has no effect.*"timeout"/,
    ],
    ['a time without its unit', methodConfig({ timeout: 1 }), /timeout must be a duration over 0/],
    ['no time at all', methodConfig({ timeout: '0s' }), /timeout must be a duration over 0/],
    [
      'a size below nothing',
      methodConfig({ maxRequestMessageBytes: -1 }),
      /maxRequestMessageBytes must be a whole number from 0/,
    ],
    [
      'two policies for one method',
      methodConfig({ retryPolicy, hedgingPolicy: { maxAttempts: 2 } }),
      /both a retryPolicy and a hedgingPolicy/,
    ],
    [
      'one attempt as a retry',
      methodConfig({ retryPolicy: { ...retryPolicy, maxAttempts: 1 } }),
      /retryPolicy\.maxAttempts must be a whole number from 2/,
    ],
    [
      'a retry without a backoff',
      methodConfig({ retryPolicy: { ...retryPolicy, initialBackoff: undefined } }),
      /retryPolicy\.initialBackoff must be given/,
    ],
    [
      'a backoff that stands still',
      methodConfig({ retryPolicy: { ...retryPolicy, backoffMultiplier: 0 } }),
      /backoffMultiplier must be a number over 0/,
    ],
    [
      'a retry after nothing',
      methodConfig({ retryPolicy: { ...retryPolicy, retryableStatusCodes: [] } }),
      /retryableStatusCodes must be a list with at least one/,
    ],
    [
      'a status that does not exist',
      methodConfig({ retryPolicy: { ...retryPolicy, retryableStatusCodes: ['UNAVAILABEL'] } }),
      /retryableStatusCodes\[0\] must be.*"UNAVAILABLE"/,
    ],
    [
      'a retry of what went well',
      methodConfig({ retryPolicy: { ...retryPolicy, retryableStatusCodes: ['OK'] } }),
      /other than OK/,
    ],
    [
      'a throttle that is never open',
      { retryThrottling: { maxTokens: 0, tokenRatio: 1 } },
      /maxTokens must be a whole number from 1 to 1000/,
    ],
    ['a throttle without a ratio', { retryThrottling: { maxTokens: 10 } }, /tokenRatio must be given/],
    ['a health check of nothing', { healthCheckConfig: {} }, /healthCheckConfig has no effect without a serviceName/],
    ['what is no object', [], /serviceConfig must be an object/],
  ])('refuses %s', (_, config, message) => {
    expect(() => serviceConfig(config)).toThrow(FleetError);
    expect(() => serviceConfig(config)).toThrow(message);
  });

  describe('on a fleet', () => {
    let server: Server | undefined;
    let fleet: Fleet | undefined;
    afterEach(async () => {
      await fleet?.close({ drainMs: 0 });
      await server?.close(0);
    });

    async function greeterWith(config: unknown, faults: GreeterFaults = {}) {
      server = await startGreeter({ name: 'a', faults });
      const discovery = staticNodes([server.address]);
      fleet = createFleet({ discovery, transport: grpcTransport(), ...serviceConfig(config) });
      return createClient(fleet, Greeter);
    }

    const failed = async (promise: Promise<unknown>) => {
      const thrown = await promise.then(
        () => undefined,
        (reason: unknown) => reason,
      );
      expect(thrown).toBeInstanceOf(FleetError);
      return thrown as FleetError;
    };

    it('a call takes no longer than its method may, whatever it asks for', async () => {
      const greeter = await greeterWith(methodConfig({ timeout: '0.05s' }), { hang: true });
      const error = await failed(lastValueFrom(greeter.sayHello({ name: 'Ada' }, { deadlineMs: 60_000 })));
      expect(error.code).toBe('DEADLINE_EXCEEDED');
    });

    it('a method with a retry policy is retried though its proto does not call it idempotent', async () => {
      const policy = { ...retryPolicy, initialBackoff: '0.001s', maxBackoff: '0.001s' };
      const greeter = await greeterWith(methodConfig({ retryPolicy: policy }), { failWith: 'ABORTED', failTimes: 2 });
      expect(await lastValueFrom(greeter.sayHello({ name: 'Ada' }))).toMatchObject({ node: 'a' });
      expect(server!.calls).toBe(3);
    });

    it('a method without a policy is not repeated, though its proto allows it', async () => {
      const greeter = await greeterWith(methodConfig({ timeout: '10s' }), { failWith: 'UNAVAILABLE' });
      await failed(lastValueFrom(greeter.sayHello({ name: 'Ada' }, { failover: true })));
      expect(server!.calls).toBe(1);
    });

    it('copies go out at once, and a status that is not named ends the call', async () => {
      const hedgingPolicy = { maxAttempts: 3, hedgingDelay: '0s', nonFatalStatusCodes: ['UNAVAILABLE'] };
      const greeter = await greeterWith(methodConfig({ hedgingPolicy }), { failWith: 'INTERNAL', failTimes: 1 });
      expect((await failed(lastValueFrom(greeter.sayHello({ name: 'Ada' })))).code).toBe('INTERNAL');
    });

    it('the throttle stops retries while most attempts fail', async () => {
      const policy = { ...retryPolicy, initialBackoff: '0.001s', maxBackoff: '0.001s' };
      const config = { ...methodConfig({ retryPolicy: policy }), retryThrottling: { maxTokens: 4, tokenRatio: 0.1 } };
      const greeter = await greeterWith(config, { failWith: 'UNAVAILABLE' });
      for (let i = 0; i < 10; i++) await failed(lastValueFrom(greeter.sayHello({ name: 'Ada' })));
      // The first failure leaves 3 of 4 tokens, the second 2, which is no more than half: 1 retry for 10 calls.
      expect(server!.calls).toBe(11);
    });

    it('no message is longer than the config allows, in either direction', async () => {
      const service = { service: 'demo.Greeter' };
      const greeter = await greeterWith({
        methodConfig: [
          { name: [{ ...service, method: 'SayHello' }], maxRequestMessageBytes: 100 },
          { name: [service], maxResponseMessageBytes: 10 },
        ],
      });
      const request = await failed(lastValueFrom(greeter.sayHello({ name: 'x'.repeat(200) })));
      expect(request.code).toBe('RESOURCE_EXHAUSTED');
      expect(request.message).toMatch(/a request of \/demo\.Greeter\/SayHello has 203 bytes, more than the 100/);
      const answer = await failed(lastValueFrom(greeter.lotsOfReplies({ name: 'x'.repeat(20), replies: 1 })));
      expect(answer.code).toBe('RESOURCE_EXHAUSTED');
    });
  });
});
