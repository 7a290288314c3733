/** Ours: the whole client (discovery, balancing, deadline, retry, failover), with its defaults, as it is shipped. */

import { createClient, createFleet, staticNodes } from '../../../src/index.js';
import { Greeter } from '../../../src/gen/demo/greeter_pb.js';
import { connectTransport } from '../../../src/transport/connect.js';
import { grpcTransport } from '../../../src/transport/grpc.js';
import { wrongCount, wrongSize, type StartSubject } from './subject.js';

const transports = { grpc: grpcTransport, connect: connectTransport };

export const startRxfleet =
  (transport: keyof typeof transports): StartSubject =>
  async (address) => {
    const fleet = createFleet({
      service: 'greeter',
      discovery: staticNodes([address]),
      transport: transports[transport](),
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
