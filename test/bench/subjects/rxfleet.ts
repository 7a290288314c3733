/** Ours: the whole client (discovery, balancing, deadline, retry, failover), with its defaults, as it is shipped. */

import type * as rxfleet from '../../../src/index.js';
import type * as connect from '../../../src/transport/connect.js';
import type * as grpc from '../../../src/transport/grpc.js';
import { Greeter } from '../../../src/gen/demo/greeter_pb.js';
import { wrongCount, wrongSize, type StartSubject } from './subject.js';

/** From `dist`, since that is what users run. */
const door = <T>(path: string): Promise<T> => import(new URL(`../../../dist/${path}.js`, import.meta.url).href);

const transports = {
  grpc: async () => (await door<typeof grpc>('transport/grpc')).grpcTransport(),
  connect: async () => (await door<typeof connect>('transport/connect')).connectTransport(),
};

export const startRxfleet =
  (transport: keyof typeof transports): StartSubject =>
  async (address) => {
    const { createClient, createFleet, staticNodes } = await door<typeof rxfleet>('index');
    const fleet = createFleet({
      service: 'greeter',
      discovery: staticNodes([address]),
      transport: await transports[transport](),
    });
    const greeter = createClient(fleet, Greeter);
    return {
      unary(payload, done) {
        let answer: Uint8Array | undefined;
        greeter.sayHello({ payload }).subscribe({
          next: (reply) => (answer = reply.payload),
          error: done,
          complete: () => done(wrongSize(payload, answer)),
        });
      },
      stream(replies, done) {
        let received = 0;
        greeter.lotsOfReplies({ replies }).subscribe({
          next: () => received++,
          error: done,
          complete: () => done(wrongCount(replies, received), received),
        });
      },
      close: () => fleet.close(),
    };
  };
