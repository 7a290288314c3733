/** The client of nice-grpc, over @grpc/grpc-js, with protobuf-es messages. */

import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { createChannel, createClient, type MethodDefinition } from 'nice-grpc';
import {
  HelloReplySchema,
  HelloRequestSchema,
  type HelloReply,
  type HelloRequest,
} from '../../../src/gen/demo/greeter_pb.js';
import { wrongCount, wrongSize, type StartSubject } from './subject.js';

const serialisation = {
  requestSerialize: (value: HelloRequest) => toBinary(HelloRequestSchema, value),
  requestDeserialize: (bytes: Uint8Array) => fromBinary(HelloRequestSchema, bytes),
  responseSerialize: (value: HelloReply) => toBinary(HelloReplySchema, value),
  responseDeserialize: (bytes: Uint8Array) => fromBinary(HelloReplySchema, bytes),
  options: {},
};

type Definition<Stream extends boolean> = MethodDefinition<
  HelloRequest,
  HelloRequest,
  HelloReply,
  HelloReply,
  false,
  Stream
>;

const sayHello: Definition<false> = {
  path: '/demo.Greeter/SayHello',
  requestStream: false,
  responseStream: false,
  ...serialisation,
};
const lotsOfReplies: Definition<true> = {
  path: '/demo.Greeter/LotsOfReplies',
  requestStream: false,
  responseStream: true,
  ...serialisation,
};

export const startNiceGrpc: StartSubject = async (address) => {
  const channel = createChannel(address, undefined, { 'grpc.use_local_subchannel_pool': 1 });
  const client = createClient({ sayHello, lotsOfReplies }, channel);
  return {
    unary(payload, done) {
      client
        .sayHello(create(HelloRequestSchema, { payload }))
        .then((reply) => done(wrongSize(payload, reply.payload)), done);
    },
    stream(replies, done) {
      const drain = async () => {
        let received = 0;
        for await (const _ of client.lotsOfReplies(create(HelloRequestSchema, { replies }))) received++;
        return received;
      };
      drain().then((received) => done(wrongCount(replies, received), received), done);
    },
    close: () => channel.close(),
  };
};
