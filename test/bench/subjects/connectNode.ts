/** The client of @connectrpc/connect-node, speaking gRPC over its own HTTP/2 session. */

import { createClient } from '@connectrpc/connect';
import { createGrpcTransport, Http2SessionManager } from '@connectrpc/connect-node';
import { Greeter } from '../../../src/gen/demo/greeter_pb.js';
import { wrongCount, wrongSize, type StartSubject } from './subject.js';

export const startConnectNode: StartSubject = async (address) => {
  const baseUrl = `http://${address}`;
  const sessionManager = new Http2SessionManager(baseUrl);
  const client = createClient(Greeter, createGrpcTransport({ baseUrl, sessionManager }));
  return {
    unary(payload, done) {
      client.sayHello({ payload }).then((reply) => done(wrongSize(payload, reply.payload)), done);
    },
    stream(replies, done) {
      const drain = async () => {
        let received = 0;
        for await (const _ of client.lotsOfReplies({ replies })) received++;
        return received;
      };
      drain().then((received) => done(wrongCount(replies, received), received), done);
    },
    close: () => sessionManager.abort(),
  };
};
