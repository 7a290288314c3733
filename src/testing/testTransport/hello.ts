/** The calls that the cases make, and keep a record of. */

import type { CallContext, Channel } from '../../core/channel.js';
import { methodOf } from '../../core/method.js';
import { Greeter, type HelloReply, type HelloRequest } from '../../gen/demo/greeter_pb.js';
import { RecordedCall } from './recordedCall.js';

export const sayHello = methodOf(Greeter.method.sayHello);
export const lotsOfReplies = methodOf(Greeter.method.lotsOfReplies);
export const lotsOfGreetings = methodOf(Greeter.method.lotsOfGreetings);
export const chat = methodOf(Greeter.method.chat);

/** A unary call, sent. */
export function hello(
  channel: Channel,
  request: Partial<HelloRequest>,
  context?: CallContext,
): RecordedCall<HelloRequest, HelloReply> {
  const call = new RecordedCall(channel, sayHello, context);
  call.call.request(1);
  call.call.send(sayHello.message(request));
  call.call.halfClose();
  return call;
}

/** A server stream, sent, with credit for all that comes. */
export function stream(
  channel: Channel,
  request: Partial<HelloRequest>,
  context?: CallContext,
): RecordedCall<HelloRequest, HelloReply> {
  const call = new RecordedCall(channel, lotsOfReplies, context);
  call.call.request(Infinity);
  call.call.send(lotsOfReplies.message(request));
  call.call.halfClose();
  return call;
}
