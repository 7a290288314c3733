/** How calls fail: by their status, by the death of the node, and whether they had been sent. */

import { equal, match, notEqual, ok } from 'node:assert/strict';
import { once } from 'node:events';
import * as http2 from 'node:http2';
import type * as net from 'node:net';
import { grpcStatusNames } from '../../core/errorCodes.js';
import { methodOf } from '../../core/method.js';
import { Greeter } from '../../gen/demo/greeter_pb.js';
import { hello, sayHello, stream } from './hello.js';
import { RecordedCall } from './recordedCall.js';
import type { TestCase } from './testCase.js';

export function failureCases(test: TestCase): void {
  test('each status comes by its name, with its message and trailers', async ({ channel }) => {
    for (let code = 2; code < grpcStatusNames.length; code++) {
      const status = await hello(channel, { name: `fail:${code}:because ünd so` }).ended;
      equal(status.code, grpcStatusNames[code]);
      match(status.message, /because ünd so/);
      equal(status.trailers['x-why'], 'asked to');
      ok(status.sent);
    }
  });

  test('CANCELLED by the node is UNAVAILABLE here, since nobody here cancelled', async ({ channel }) => {
    const status = await hello(channel, { name: 'fail:1:going down' }).ended;
    equal(status.code, 'UNAVAILABLE');
    match(status.message, /cancelled the call.*going down/);
  });

  test('a method that the node does not know is UNIMPLEMENTED', async ({ channel }) => {
    const call = new RecordedCall(channel, methodOf(Greeter.method.count));
    call.call.request(1);
    call.call.send(sayHello.message({}));
    call.call.halfClose();
    equal((await call.ended).code, 'UNIMPLEMENTED');
  });

  test('what came before an error is handed out before it', async ({ channel }) => {
    const call = stream(channel, { name: 'fail', replies: 0 });
    equal((await call.ended).code, 'ABORTED', call.status?.message);
    match(call.status!.message, /broke off/);
  });

  test('a node killed in mid-stream is UNAVAILABLE, and may have seen the call', async ({ channel, node }) => {
    const call = stream(channel, { name: 'hang', replies: 3 });
    await call.received(3);
    node.kill();
    const status = await call.ended;
    equal(status.code, 'UNAVAILABLE', status.message);
    ok(status.sent);
    notEqual(status.message, '');
  });

  test('a call that the node refuses unprocessed was surely not sent', async ({ open }) => {
    const refusing = http2.createServer().on('stream', (stream) => {
      stream.on('error', () => undefined).close(http2.constants.NGHTTP2_REFUSED_STREAM);
    });
    refusing.listen(0, '127.0.0.1');
    await once(refusing, 'listening');
    const channel = open([`127.0.0.1:${(refusing.address() as net.AddressInfo).port}`]);
    const status = await hello(channel, {}).ended;
    equal(status.code, 'UNAVAILABLE', status.message);
    ok(!status.sent, status.message);
    channel.close();
    refusing.close();
  });
}
