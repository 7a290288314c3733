/** The bare @grpc/grpc-js client: what everything is measured against. */

import { Client, credentials } from '@grpc/grpc-js';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  HelloReplySchema,
  HelloRequestSchema,
  type HelloReply,
  type HelloRequest,
} from '../../../src/gen/demo/greeter_pb.js';
import { wrongCount, wrongSize, type StartSubject } from './subject.js';

const encode = (message: HelloRequest): Buffer => {
  const bytes = toBinary(HelloRequestSchema, message);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
};
const decode = (bytes: Buffer): HelloReply => fromBinary(HelloReplySchema, bytes);

export const startGrpcJs: StartSubject = async (address) => {
  const client = new Client(address, credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1 });
  return {
    unary(payload, done) {
      const request = create(HelloRequestSchema, { payload });
      client.makeUnaryRequest('/demo.Greeter/SayHello', encode, decode, request, (error, reply) =>
        done(error ?? wrongSize(payload, reply?.payload)),
      );
    },
    stream(replies, done) {
      const request = create(HelloRequestSchema, { replies });
      let received = 0;
      client
        .makeServerStreamRequest('/demo.Greeter/LotsOfReplies', encode, decode, request)
        .on('data', () => received++)
        .on('error', done)
        .on('end', () => done(wrongCount(replies, received), received));
    },
    close: () => client.close(),
  };
};
