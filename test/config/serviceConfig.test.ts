/** The service config of gRPC: what it says is done, and what would have no effect is an error. */

import { lastValueFrom, of, throwError, VirtualTimeScheduler } from 'rxjs';
import { serviceConfig } from '../../src/config/index.js';
import { Greeter } from '../../src/gen/demo/greeter_pb.js';
import {
  createClient,
  createFleet,
  createNode,
  createPool,
  FleetError,
  NodeSet,
  ringHash,
  staticNodes,
  type Balancer,
  type Fleet,
  type Node,
} from '../../src/index.js';
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

    const only = (name: string, config: object) => serviceConfig({ loadBalancingConfig: [{ [name]: config }] });
    const picked = (balancer: Balancer | undefined, key: string) => {
      let node: Node | undefined;
      of(NodeSet.of(twenty))
        .pipe(balancer!)
        .subscribe((picker) => (node = picker.pick({ key }).node));
      return node?.id;
    };
    const twenty = Array.from({ length: 20 }, (_, i) =>
      createNode({ address: `10.0.0.${i}:80`, availability: 'ready' }),
    );
    const keys = Array.from({ length: 200 }, (_, i) => `key ${i}`);

    it('weighs by load reports, beside the calls where that is asked for', () => {
      const inTrailers = only('weighted_round_robin', { blackoutPeriod: '0s', weightUpdatePeriod: '0.01s' });
      expect(inTrailers.balancer?.traits?.name).toBe('client_side_weighted_round_robin');
      expect(inTrailers.loadReports).toBeUndefined();
      const beside = only('weighted_round_robin', { enableOobLoadReport: true, oobReportingPeriod: '5s' });
      expect(beside.loadReports).toBeTypeOf('function');
    });

    it('draws as many nodes as it says', () => {
      expect(only('least_request_experimental', { choiceCount: '3' }).balancer?.traits?.name).toBe(
        'least_request_experimental',
      );
    });

    it('sends keys where the other clients of the config send them', () => {
      const placed = (balancer: Balancer | undefined) => keys.map((key) => picked(balancer, key));
      const { balancer } = only('ring_hash_experimental', { minRingSize: 300, maxRingSize: '400' });
      expect(placed(balancer)).toEqual(placed(ringHash({ minRingSize: 300, maxRingSize: 400 })));
      expect(placed(balancer)).not.toEqual(placed(ringHash()));
      // As gRPC caps them, the least one, too.
      const large = only('ring_hash_experimental', { minRingSize: 10_000, maxRingSize: 20_000 });
      expect(placed(large.balancer)).toEqual(placed(ringHash({ minRingSize: 4_096 })));
    });

    it('keeps to a subset, and picks in it as the child policy says', () => {
      const childPolicy = [{ magic: {} }, { ring_hash_experimental: {} }];
      const { balancer } = only('random_subsetting_experimental', { subsetSize: 4, childPolicy });
      let reach = 0;
      of(NodeSet.of(twenty))
        .pipe(balancer!)
        .subscribe((picker) => (reach = picker.reach!.size));
      expect(reach).toBe(4);
      expect(balancer?.traits?.keyed).toBe(true);
    });

    it('takes out the outlier for as long as it says', async () => {
      const { balancer, eject, ejectionBudget } = only('outlier_detection_experimental', {
        ...{ interval: '1s', baseEjectionTime: '4s', maxEjectionTime: '4s', maxEjectionPercent: 60 },
        failurePercentageEjection: { threshold: 50, minimumHosts: 3, requestVolume: 5 },
        childPolicy: [{ round_robin: {} }],
      });
      const scheduler = new VirtualTimeScheduler(undefined, 60_000);
      const pool = createPool<string>({
        ...{ balancer, eject, ejectionBudget, scheduler },
        members: ['a', 'b', 'c', 'd'].map((id) => ({ id, resource: id })),
      });
      const told: string[] = [];
      pool.events$.subscribe((event) => {
        if (event.type === 'ejected') told.push(`${event.at} ${event.node.id} ${event.method} until ${event.until}`);
      });
      const bad = new Set(['a', 'b']);
      const ask = (id: string) => (bad.has(id) ? throwError(() => new FleetError('UNAVAILABLE', 'down')) : of(id));
      for (let i = 0; i < 80; i++) pool.use(ask, { failover: false }).subscribe({ error: () => undefined });
      scheduler.maxFrames = 1_500;
      scheduler.flush();
      // Both of four: more than the tenth that goes by default.
      expect(told.sort()).toEqual(['1000 a failure_percentage until 5000', '1000 b failure_percentage until 5000']);
      await pool.close();
    });

    it('takes nobody out without an algorithm', () => {
      const { balancer, eject } = only('outlier_detection_experimental', { childPolicy: [{ pick_first: {} }] });
      expect([balancer?.traits?.name, eject]).toEqual(['pick_first', undefined]);
    });

    it.each<[string, string, object, RegExp]>([
      [
        'a choice of one',
        'least_request_experimental',
        { choiceCount: 1 },
        /choiceCount must be a whole number from 2/,
      ],
      ['a ring of nothing', 'ring_hash_experimental', { minRingSize: 0 }, /minRingSize must be a whole number from 1/],
      [
        'a ring that is larger than it may be',
        'ring_hash_experimental',
        { minRingSize: 100, maxRingSize: 50 },
        /minRingSize must be at most maxRingSize, which is 50/,
      ],
      [
        'a header for a key',
        'ring_hash_experimental',
        { requestHashHeader: 'x-user' },
        /requestHashHeader has no effect: give the calls a `key`/,
      ],
      ['a subset of nobody says', 'random_subsetting_experimental', { childPolicy: [] }, /subsetSize must be given/],
      ['a subset without a child', 'random_subsetting_experimental', { subsetSize: 2 }, /childPolicy must be given/],
      [
        'a child that is not known',
        'outlier_detection_experimental',
        { childPolicy: [{ magic: {} }] },
        /outlier_detection_experimental\.childPolicy names no policy/,
      ],
      [
        'a percentage over 100',
        'outlier_detection_experimental',
        { successRateEjection: { enforcementPercentage: 101 }, childPolicy: [{ round_robin: {} }] },
        /successRateEjection\.enforcementPercentage must be a whole number from 0 to 100/,
      ],
      [
        'a period that nothing is reported in',
        'weighted_round_robin',
        { oobReportingPeriod: '5s' },
        /oobReportingPeriod has no effect without enableOobLoadReport/,
      ],
      ['the name of a thing that every object has', 'toString', {}, /names no policy that is known here: toString/],
    ])('refuses %s', (_, name, config, message) => {
      expect(() => only(name, config)).toThrow(message);
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
