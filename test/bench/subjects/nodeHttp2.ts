/** node:http2 with gRPC's framing done by hand: no retry, no deadline, no metadata; what the platform alone can do. */

import { connect } from 'node:http2';
import { once } from 'node:events';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  HelloReplySchema,
  HelloRequestSchema,
  type HelloReply,
  type HelloRequest,
} from '../../../src/gen/demo/greeter_pb.js';
import { wrongCount, wrongSize, type Done, type StartSubject } from './subject.js';

const prefix = 5;

function frame(message: HelloRequest): Buffer {
  const bytes = toBinary(HelloRequestSchema, message);
  const framed = Buffer.allocUnsafe(prefix + bytes.length);
  framed[0] = 0;
  framed.writeUInt32BE(bytes.length, 1);
  framed.set(bytes, prefix);
  return framed;
}

/** Cuts a body into messages, whatever its chunks are. */
function unframe(onMessage: (message: HelloReply) => void): (chunk: Buffer) => void {
  let rest: Buffer = Buffer.alloc(0);
  return (chunk) => {
    rest = rest.length ? Buffer.concat([rest, chunk]) : chunk;
    let at = 0;
    while (rest.length - at >= prefix) {
      const end = at + prefix + rest.readUInt32BE(at + 1);
      if (end > rest.length) break;
      onMessage(fromBinary(HelloReplySchema, rest.subarray(at + prefix, end)));
      at = end;
    }
    rest = rest.subarray(at);
  };
}

export const startNodeHttp2: StartSubject = async (address) => {
  const session = connect(`http://${address}`, { settings: { enablePush: false, initialWindowSize: 1 << 20 } });
  await once(session, 'connect');
  session.setLocalWindowSize(1 << 24);

  const call = (method: string, request: HelloRequest, onMessage: (reply: HelloReply) => void, done: Done) => {
    const stream = session.request({
      ':method': 'POST',
      ':path': `/demo.Greeter/${method}`,
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    let status = 'no trailers';
    stream.on('trailers', (trailers) => (status = String(trailers['grpc-status'])));
    stream.on('data', unframe(onMessage));
    stream.on('error', done);
    stream.on('end', () => done(status === '0' ? undefined : new Error(`grpc-status ${status}`)));
    stream.end(frame(request));
  };

  return {
    unary(payload, done) {
      let reply: HelloReply | undefined;
      const request = create(HelloRequestSchema, { payload });
      const end: Done = (error) => done(error ?? wrongSize(payload, reply?.payload));
      call('SayHello', request, (message) => (reply = message), end);
    },
    stream(replies, done) {
      let received = 0;
      const request = create(HelloRequestSchema, { replies });
      const end: Done = (error) => done(error ?? wrongCount(replies, received), received);
      call('LotsOfReplies', request, () => received++, end);
    },
    close: () => session.close(),
  };
};
