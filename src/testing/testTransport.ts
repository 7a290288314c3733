/** The contract of a transport, as a suite: each case runs against a real server that the suite starts itself. */

import type { Transport } from '../core/channel.js';
import type { TransportOptions } from '../transport/transportOptions.js';
import { runnerOf, type Runner } from './runner.js';
import { answerCases } from './testTransport/answerCases.js';
import { dialCases } from './testTransport/dialCases.js';
import { earlyEndCases } from './testTransport/earlyEndCases.js';
import { failureCases } from './testTransport/failureCases.js';
import { flowCases } from './testTransport/flowCases.js';
import { lifeCases } from './testTransport/lifeCases.js';
import type { TestCase, TransportFeature } from './testTransport/testCase.js';
import { tlsCases } from './testTransport/tlsCases.js';
import { World } from './testTransport/world.js';

export type { TransportFeature } from './testTransport/testCase.js';

export interface TestTransportOptions {
  /** Default: the global `describe` and `it`. */
  readonly runner?: Runner;
  /** What this transport cannot do, by nature of its protocol. Each such case is listed with the reason, never passed over. */
  readonly lacks?: readonly TransportFeature[];
}

/**
 * Runs the contract of `Transport` against what `make` returns for the options of each case.
 *
 *     testTransport('grpc', (options) => grpcTransport(options));
 *
 * Needs nothing but loopback: the server is grpc-js, the certificates are made on the spot.
 */
export function testTransport(
  name: string,
  make: (options: TransportOptions) => Transport,
  options: TestTransportOptions = {},
): void {
  const runner = runnerOf(options.runner);
  const { describe, it } = runner;
  const lacks = new Set(options.lacks);

  /** A case with its own server and whatever channels it opens; both are gone afterwards. */
  const test: TestCase = (title, body, needs) => {
    if (needs && lacks.has(needs)) return void it(`${title} (not by this protocol: ${needs})`, () => undefined);
    it(title, async () => {
      const world = await World.start(make);
      try {
        await body(world);
      } finally {
        world.end();
      }
    });
  };

  describe(`transport ${name}`, () => {
    answerCases(test);
    earlyEndCases(test);
    flowCases(test);
    failureCases(test);
    dialCases(test);
    lifeCases(test);
    tlsCases(runner, make);
  });
}
