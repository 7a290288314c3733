/**
 * The node that the benches call, in a process of its own: `demo.Greeter` on node:http2, with the framing by hand.
 *
 * It does as little as a correct server can, so that the clients are what is measured: a server on grpc-js is the
 * slower side of the wire for streams, and makes all clients look alike.
 */

import { createServer, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { HelloReplySchema, HelloRequestSchema } from '../../src/gen/demo/greeter_pb.js';

const prefix = 5;
const messagesPerWrite = 100;

const reply = toBinary(HelloReplySchema, create(HelloReplySchema, { payload: new Uint8Array(16) }));
const framed = Buffer.alloc(prefix + reply.length);
framed.writeUInt32BE(reply.length, 1);
framed.set(reply, prefix);
const block = Buffer.concat(Array<Buffer>(messagesPerWrite).fill(framed));

/** A request's payload has the number of a reply's, so the bytes of the one are the other. */
function sayHello(stream: ServerHttp2Stream, request: Buffer): void {
  stream.end(request);
}

function lotsOfReplies(stream: ServerHttp2Stream, request: Buffer): void {
  let left = fromBinary(HelloRequestSchema, request.subarray(prefix)).replies;
  const send = () => {
    while (left > 0 && !stream.destroyed) {
      const count = Math.min(left, messagesPerWrite);
      left -= count;
      if (!stream.write(block.subarray(0, count * framed.length))) {
        stream.once('drain', send);
        return;
      }
    }
    stream.end();
  };
  send();
}

const methods: Readonly<Record<string, (stream: ServerHttp2Stream, request: Buffer) => void>> = {
  '/demo.Greeter/SayHello': sayHello,
  '/demo.Greeter/LotsOfReplies': lotsOfReplies,
};

const server = createServer({ settings: { initialWindowSize: 1 << 20, maxConcurrentStreams: 1_000 } });
server.on('session', (session) => session.setLocalWindowSize(1 << 24));
server.on('stream', (stream, headers) => {
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  // A client that goes away resets its streams; that is its right.
  stream.on('error', () => stream.destroy());
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
  stream.on('end', () => {
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    methods[headers[':path']!]!(stream, chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks));
  });
});
server.listen(0, '127.0.0.1', () => process.send!({ port: (server.address() as AddressInfo).port }));
process.on('disconnect', () => process.exit(0));
